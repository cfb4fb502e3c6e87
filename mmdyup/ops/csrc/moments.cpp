// Sums of the values of a map and of their squares, of which means and variances are made.
#include "maps.h"

#include <vector>

namespace mmdyup {
namespace {

// How many pixels are added to registers before these are added to memory.
constexpr int64_t PIXELS = 16;

// Adds so many vectors of every pixel.
template <int vectors, class T>
inline void add_vectors(const T* x, int64_t step, int64_t pixels, T* sums, T* squares) {
  Vector<T> sum[vectors] = {}, square[vectors] = {};
  for (int64_t p = 0; p < pixels; ++p)
    for (int i = 0; i < vectors; ++i) {
      const Vector<T> values = load_to_register(x + p * step + i * LANES<T>);
      sum[i] += values;
      square[i] += values * values;
    }
  for (int i = 0; i < vectors; ++i) {
    store(sums + i * LANES<T>, load(sums + i * LANES<T>) + sum[i]);
    store(squares + i * LANES<T>, load(squares + i * LANES<T>) + square[i]);
  }
}

template <class T>
void add_pixels(const T* x, int64_t pixels, int64_t channels, T* sums, T* squares) {
  int64_t c = 0;
  for (; c + 4 * LANES<T> <= channels; c += 4 * LANES<T>)
    add_vectors<4>(x + c, channels, pixels, sums + c, squares + c);
  for (; c + LANES<T> <= channels; c += LANES<T>)
    add_vectors<1>(x + c, channels, pixels, sums + c, squares + c);
  for (; c < channels; ++c)
    for (int64_t p = 0; p < pixels; ++p) {
      const T value = x[p * channels + c];
      sums[c] += value;
      squares[c] += value * value;
    }
}

// Of every row of pixels, whose channels lie side by side: the sums of its groups, then those of
// their squares.
template <class T> void moments(const Map& size, const T* x, double* moments) {
  const int64_t channels = size.channels, groups = size.groups;
  divide(size, size.images, size.height, [&](int64_t image, int64_t from, int64_t to) {
    std::vector<T> sums(2 * channels);
    T* squares = sums.data() + channels;
    for (int64_t row = image * size.height + from; row < image * size.height + to; ++row) {
      std::fill(sums.begin(), sums.end(), T(0));
      for (int64_t p = 0; p < size.width; p += PIXELS)
        add_pixels(x + (row * size.width + p) * channels, std::min(PIXELS, size.width - p),
                   channels, sums.data(), squares);
      double* to_row = moments + 2 * row * groups;
      std::fill_n(to_row, 2 * groups, 0.0);
      for (int64_t c = 0; c < channels; ++c) {
        to_row[c / size.channels_of_group()] += sums[c];
        to_row[groups + c / size.channels_of_group()] += squares[c];
      }
    }
  });
}

}  // namespace
}  // namespace mmdyup

#define EXPORT(T, name)                                                                          \
  extern "C" void mmdyup_moments_##name(const mmdyup::Map* size, const T* x, double* moments) {  \
    mmdyup::moments(*size, x, moments);                                                          \
  }

EXPORT(float, float32)
EXPORT(double, float64)
