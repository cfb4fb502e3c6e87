// What maps there are, how they lie in memory, and how threads divide the work on them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#ifdef _OPENMP
#include <omp.h>
#else
static inline int omp_get_thread_num() { return 0; }
static inline int omp_get_num_threads() { return 1; }
#endif

#include "transpose.h"

namespace mmdyup {

// How many columns of a line are worked on together: a tile, which stays in the first cache.
constexpr int64_t TILE = 64;

// A feature x and its upsampled map y. This and the structs made of it are as in library.py, which
// compares their sizes.
struct Map {
  int64_t images, channels, height, width, groups, scale_factor;
  int64_t block;  // channels of a block; a group's last one may have fewer
  int64_t x_channels_last, y_channels_last;
  int64_t threads;

  int64_t pixels() const { return height * width; }
  int64_t lines() const { return height * scale_factor; }
  int64_t line() const { return width * scale_factor; }
  int64_t positions() const { return lines() * line(); }
  int64_t channels_of_group() const { return channels / groups; }
  int64_t blocks_of_group() const { return (channels_of_group() + block - 1) / block; }
  int64_t blocks() const { return groups * blocks_of_group(); }
  int64_t tile_cells() const { return std::max<int64_t>(1, TILE / scale_factor); }
};

struct Reassembly : Map {
  int64_t kernel_size, kernels_channels_last;

  int64_t taps() const { return kernel_size * kernel_size; }
};

struct Sampling : Map {
  int64_t offsets_step[7];       // of image, axis, group, place's row and column, row, column
  int64_t grad_offsets_step[8];  // likewise, then of a group's block
  double scale;                  // of the offsets
};

struct Attention : Map {
  int64_t points, heads;
  int64_t positions_channels_last, weights_channels_last;

  int64_t head_of(int64_t group) const { return group * heads / groups; }
};

// Some channels of one group.
struct Block {
  int64_t group, number, first, channels;

  Block(const Map& map, int64_t index) {
    const int64_t blocks_of_group = map.blocks_of_group(), of_group = map.channels_of_group();
    group = index / blocks_of_group;
    number = index % blocks_of_group;
    first = group * of_group + number * map.block;
    channels = std::min(map.block, of_group - number * map.block);
  }
};

// The blocks of an image that are worked on together: one of `parts` equal shares of all.
struct Part {
  int64_t image, from, to;

  Part(const Map& map, int64_t parts, int64_t index) : image(index / parts) {
    from = index % parts * map.blocks() / parts;
    to = (index % parts + 1) * map.blocks() / parts;
  }
};

template <class T> constexpr int64_t whole_vectors(int64_t channels) {
  return (channels + LANES<T> - 1) / LANES<T> * LANES<T>;
}

// Columns side by side, each with its channels side by side.
template <class T> struct Columns {
  T* at;
  int64_t step;

  Columns from(int64_t column, int64_t channel = 0) const {
    return {at + column * step + channel, step};
  }
};

// Channels one after the other, each with its columns side by side.
template <class T> struct Lines {
  T* at;
  int64_t step;

  T* operator[](int64_t channel) const { return at + channel * step; }
};

// Room for columns, which nobody has written to.
template <class T> class Table {
  int64_t step;
  std::unique_ptr<T[]> values;

public:
  Table(int64_t columns, int64_t channels)
      : step(whole_vectors<T>(channels)), values(new T[columns * step]) {}
  Columns<T> columns() const { return {values.get(), step}; }
};

// Where some channels of a map begin in a row of it, and how far it is from there to the next
// column, or to the next channel.
template <class T> struct Row {
  T* at;
  int64_t column, channel;

  Row(T* map, bool channels_last, int64_t channels, int64_t height, int64_t width, int64_t image,
      int64_t first_channel, int64_t row) {
    column = channels_last ? channels : 1;
    channel = channels_last ? 1 : height * width;
    at = map + image * channels * height * width + row * width * column + first_channel * channel;
  }

  // Whether a column's channels lie side by side, and make whole vectors.
  bool is_columns() const { return channel == 1; }
  bool is_vectors(int64_t channels) const { return is_columns() && channels % LANES<T> == 0; }
  Columns<T> columns(int64_t begin) const { return {at + begin * column, column}; }

  void read(int64_t begin, int64_t count, int64_t channels,
            Columns<std::remove_const_t<T>> to) const {
    if (is_columns())
      for (int64_t v = 0; v < count; ++v)
        std::copy_n(at + (begin + v) * column, channels, to.from(v).at);
    else
      transpose(at + begin, channel, to.at, to.step, channels, count);
  }

  // With zeros up to a whole vector.
  void read_vectors(int64_t begin, int64_t count, int64_t channels,
                    Columns<std::remove_const_t<T>> to) const {
    read(begin, count, channels, to);
    const int64_t end = whole_vectors<T>(channels);
    if (end > channels)
      for (int64_t v = 0; v < count; ++v)
        std::fill(to.from(v, channels).at, to.from(v, end).at, T(0));
  }

  void write(int64_t begin, int64_t count, int64_t channels, Columns<T> from) const {
    if (is_columns())
      for (int64_t v = 0; v < count; ++v)
        std::copy_n(from.from(v).at, channels, at + (begin + v) * column);
    else
      transpose(from.at, from.step, at + begin, channel, count, channels);
  }

  // A tile of channels: in place where their columns lie side by side, else in `room`.
  Lines<T> lines(int64_t begin, int64_t count, int64_t channels,
                 std::remove_const_t<T>* room) const {
    if (!is_columns()) return {at + begin, channel};
    transpose(at + begin * column, column, room, TILE, count, channels);
    return {room, TILE};
  }

  void write_lines(int64_t begin, int64_t count, int64_t channels, Lines<T> from) const {
    if (is_columns())
      transpose(from.at, from.step, at + begin * column, column, channels, count);
    else
      for (int64_t c = 0; c < channels; ++c) std::copy_n(from[c], count, at + begin + c * channel);
  }

  // Has the processor fetch a share of what will be read or written.
  ALWAYS_INLINE void fetch_share(int64_t begin, int64_t count, int64_t channels, int64_t share,
                                 int64_t shares) const {
    const int64_t all = is_columns() ? count : channels, step = is_columns() ? column : channel;
    for (int64_t i = share; i < all; i += shares)
      fetch(at + begin * column + i * step, is_columns() ? channels : count);
  }
};

// run(multiplies, spreads) by constants: whether products with pixels are needed, and whether the
// gradients of pixels are.
template <class Run> void choose(bool multiplies, bool spreads, Run run) {
  const std::true_type yes;
  const std::false_type no;
  if (multiplies && spreads) run(yes, yes);
  else if (multiplies) run(yes, no);
  else if (spreads) run(no, yes);
}

// Calls work(part, from, to) for rows `from` to `to` of every part's rows, each thread with as many
// rows as the others.
template <class Work> void divide(const Map& map, int64_t parts, int64_t rows, Work work) {
  const int64_t total = parts * rows;
#pragma omp parallel num_threads(map.threads)
  {
    const int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
    const int64_t end = total * (thread + 1) / threads;
    for (int64_t begin = total * thread / threads; begin < end;) {
      const int64_t from = begin % rows, to = std::min(rows, from + end - begin);
      work(begin / rows, from, to);
      begin += to - from;
    }
  }
}

}  // namespace mmdyup
