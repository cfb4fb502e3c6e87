// Reassembly by kernels of the result's positions: see mmdyup/ops/carafe.py.
//
// A position is the weighted sum of its cell's k² neighbours, taken for a block of a group's
// channels at a time. The pixels of a block are copied into a table with a frame of zeros, so that
// a row of a kernel meets k rows of the table, one after the other.
#include "blocks.h"
#include "transpose.h"

#include <vector>

namespace mmdyup {
namespace {

// From one to the next in a block's table.
struct Steps {
  int64_t row, pixel;
};

// Field by field as in reassemble.py.
struct Sizes : Map {
  int64_t kernel_size;
  int64_t kernels_channels_last;  // whether the kernels and their gradient are
  int64_t shares;                 // of the kernels' gradient, between which a group's blocks divide

  int64_t taps() const { return kernel_size * kernel_size; }
  int64_t table_width() const { return width + kernel_size - 1; }
  int64_t table_pixels() const { return table_width() * (height + kernel_size - 1); }
  Steps steps(int64_t block_channels) const {
    return {table_width() * block_channels, block_channels};
  }
};

// Where the kernels of a group, or their gradient, begin at a column of a line, and how far it is
// from there to the next column or tap. A tile of them has a position's taps side by side.
struct Kernels {
  int64_t at, column, tap;

  Kernels(const Sizes& size, int64_t image, int64_t group, int64_t line, int64_t begin) {
    const int64_t positions = size.lines() * size.line(), all = size.groups * size.taps();
    column = size.kernels_channels_last ? all : 1;
    tap = size.kernels_channels_last ? 1 : positions;
    at = image * all * positions + (line * size.line() + begin) * column +
         group * size.taps() * tap;
  }

  template <class T>
  void read(const T* kernels, T* tile, int64_t columns, int64_t taps) const {
    if (tap == 1)
      for (int64_t v = 0; v < columns; ++v)
        std::copy_n(kernels + at + v * column, taps, tile + v * taps);
    else
      transpose(kernels + at, tap, tile, taps, taps, columns);
  }

  template <class T>
  void write(const T* tile, T* kernels, int64_t columns, int64_t taps) const {
    if (tap == 1)
      for (int64_t v = 0; v < columns; ++v)
        std::copy_n(tile + v * taps, taps, kernels + at + v * column);
    else
      transpose(tile, taps, kernels + at, tap, columns, taps);
  }
};

// y = Σ_ab weights[ab] · x[a][b], for so many vectors of channels.
template <int64_t vectors, class T>
inline void weigh(const T* x, Steps step, const T* weights, int64_t kernel_size, T* y) {
  Vector<T> sums[vectors] = {};
  for (int64_t a = 0; a < kernel_size; ++a)
    for (int64_t b = 0; b < kernel_size; ++b)
      for (int64_t i = 0; i < vectors; ++i)
        sums[i] += weights[a * kernel_size + b] *
                   load(x + a * step.row + b * step.pixel + i * LANES<T>);
  for (int64_t i = 0; i < vectors; ++i) store(y + i * LANES<T>, sums[i]);
}

// The same for all channels of a block.
template <class T>
void weigh_all(const T* x, Steps step, const T* weights, int64_t kernel_size, T* y,
               int64_t channels) {
  int64_t c = 0;
  for (; c + 4 * LANES<T> <= channels; c += 4 * LANES<T>)
    weigh<4>(x + c, step, weights, kernel_size, y + c);
  for (; c + LANES<T> <= channels; c += LANES<T>)
    weigh<1>(x + c, step, weights, kernel_size, y + c);
  for (; c < channels; ++c) {
    y[c] = 0;
    for (int64_t a = 0; a < kernel_size; ++a)
      for (int64_t b = 0; b < kernel_size; ++b)
        y[c] += weights[a * kernel_size + b] * x[a * step.row + b * step.pixel + c];
  }
}

// grad_weights[b] += grad_y · x[b] and grad_x[b] += weights[b] · grad_y, for so many taps of a row.
template <int64_t taps, class T>
inline void weigh_backward(const T* grad_y, const T* x, int64_t step, const T* weights, T* grad_x,
                           T* grad_weights, int64_t channels) {
  Vector<T> sums[taps] = {};
  T rest[taps] = {};
  int64_t c = 0;
  for (; c + LANES<T> <= channels; c += LANES<T>) {
    const Vector<T> grad = load(grad_y + c);
    for (int64_t b = 0; b < taps; ++b) {
      sums[b] += grad * load(x + b * step + c);
      store(grad_x + b * step + c, load(grad_x + b * step + c) + weights[b] * grad);
    }
  }
  for (; c < channels; ++c)
    for (int64_t b = 0; b < taps; ++b) {
      rest[b] += grad_y[c] * x[b * step + c];
      grad_x[b * step + c] += weights[b] * grad_y[c];
    }
  for (int64_t b = 0; b < taps; ++b) grad_weights[b] += rest[b] + sum<T>(sums[b]);
}

// The same for all rows of a kernel.
template <class T>
void weigh_all_backward(const T* grad_y, const T* x, Steps step, const T* weights,
                        int64_t kernel_size, T* grad_x, T* grad_weights, int64_t channels) {
  for (int64_t a = 0; a < kernel_size; ++a) {
    for (int64_t b = 0, taps; b < kernel_size; b += taps) {
      const auto run = [&](auto weigh) {
        weigh(grad_y, x + b * step.pixel, step.pixel, weights + b, grad_x + b * step.pixel,
              grad_weights + b, channels);
      };
      const int64_t left = kernel_size - b;
      // no more at once than registers hold: 7 are 4 and 3
      taps = left == 7 ? 4 : std::min<int64_t>(left, 5);
      if (taps == 5) run(weigh_backward<5, T>);
      else if (taps == 4) run(weigh_backward<4, T>);
      else if (taps == 3) run(weigh_backward<3, T>);
      else if (taps == 2) run(weigh_backward<2, T>);
      else run(weigh_backward<1, T>);
    }
    x += step.row;
    grad_x += step.row;
    weights += kernel_size;
    grad_weights += kernel_size;
  }
}

// One row of a block's table, the frame of zeros counted; x is the image's.
template <class T>
void fill_table_row(const Sizes& size, const Block& block, const T* x, int64_t table_row,
                    T* table) {
  const int64_t margin = size.kernel_size / 2, row = table_row - margin;
  T* to = table + table_row * size.table_width() * block.channels;
  std::fill_n(to, size.table_width() * block.channels, T(0));
  if (row < 0 || row >= size.height) return;
  to += margin * block.channels;
  if (size.channels_last)
    for (int64_t pixel = row * size.width; pixel < (row + 1) * size.width; ++pixel)
      to = std::copy_n(x + pixel * size.channels + block.first, block.channels, to);
  else
    transpose(x + block.first * size.pixels() + row * size.width, size.pixels(), to,
              block.channels, block.channels, size.width);
}

// The inverse, without the frame.
template <class T>
void read_table(const Sizes& size, const Block& block, const T* table, T* x) {
  const int64_t margin = size.kernel_size / 2;
  for (int64_t row = 0; row < size.height; ++row) {
    const T* from = table + ((row + margin) * size.table_width() + margin) * block.channels;
    if (size.channels_last)
      for (int64_t column = 0; column < size.width; ++column)
        std::copy_n(from + column * block.channels, block.channels,
                    x + (row * size.width + column) * size.channels + block.first);
    else
      transpose(from, block.channels, x + block.first * size.pixels() + row * size.width,
                size.pixels(), size.width, block.channels);
  }
}

// What a thread needs besides tables.
template <class T> struct Room {
  std::vector<T> tile, kernels, grad_kernels;

  explicit Room(const Sizes& size)
      : tile(TILE * size.block), kernels(TILE * size.taps()), grad_kernels(TILE * size.taps()) {}
};

// The lines of the result that belong to one row of cells, for blocks `from` to `to`.
template <class T>
void reassemble(const Sizes& size, const T* tables, const T* kernels, int64_t image, int64_t from,
                int64_t to, int64_t row, T* result, Room<T>& room) {
  const int64_t s = size.scale_factor, k = size.kernel_size;
  for (int64_t line = row * s; line < (row + 1) * s; ++line)
    for (int64_t begin = 0; begin < size.line(); begin += TILE) {
      const int64_t columns = std::min(TILE, size.line() - begin);
      for (int64_t index = from; index < to; ++index) {
        const Block block(size, index);
        if (index == from || block.number == 0)
          Kernels(size, image, block.group, line, begin)
              .read(kernels, room.kernels.data(), columns, size.taps());
        const T* table = tables + (image * size.channels + block.first) * size.table_pixels();
        const Line<T> out(size, block, result, image, line);
        const int64_t step = size.channels_last ? out.column : block.channels;
        T* y = size.channels_last ? out.at + begin * step : room.tile.data();
        for (int64_t v = 0; v < columns; ++v, y += step) {
          const int64_t corner = row * size.table_width() + (begin + v) / s;
          weigh_all(table + corner * block.channels, size.steps(block.channels),
                    room.kernels.data() + v * size.taps(), k, y, block.channels);
        }
        if (!size.channels_last)
          transpose(room.tile.data(), step, out.at + begin, out.channel, columns, block.channels);
      }
    }
}

// Adds to the gradient of a block's table; writes that of the kernels, or, after the first block
// that shares it, adds to it.
template <class T>
void reassemble_backward(const Sizes& size, const Block& block, const T* grad_result,
                         const T* table, const T* kernels, int64_t image, bool is_first,
                         T* grad_table, T* grad_kernels, Room<T>& room) {
  const int64_t s = size.scale_factor, k = size.kernel_size;
  for (int64_t line = 0; line < size.lines(); ++line)
    for (int64_t begin = 0; begin < size.line(); begin += TILE) {
      const int64_t columns = std::min(TILE, size.line() - begin);
      const Kernels place(size, image, block.group, line, begin);
      place.read(kernels, room.kernels.data(), columns, size.taps());
      if (is_first)
        std::fill(room.grad_kernels.begin(), room.grad_kernels.end(), T(0));
      else
        place.read(grad_kernels, room.grad_kernels.data(), columns, size.taps());
      const Line<const T> in(size, block, grad_result, image, line);
      const int64_t step = size.channels_last ? in.column : block.channels;
      const T* grad = size.channels_last ? in.at + begin * step : room.tile.data();
      if (!size.channels_last)
        transpose(in.at + begin, in.channel, room.tile.data(), step, block.channels, columns);
      for (int64_t v = 0; v < columns; ++v, grad += step) {
        if (size.channels_last) fetch_ahead(grad, step, block.channels);
        const int64_t corner = line / s * size.table_width() + (begin + v) / s;
        weigh_all_backward(grad, table + corner * block.channels, size.steps(block.channels),
                           room.kernels.data() + v * size.taps(), k,
                           grad_table + corner * block.channels,
                           room.grad_kernels.data() + v * size.taps(), block.channels);
      }
      place.write(room.grad_kernels.data(), grad_kernels, columns, size.taps());
    }
}

// `tables` has room for x with its frame.
template <class T>
void reassemble_all(const Sizes& size, const T* x, const T* kernels, T* tables, T* result) {
  const int64_t image_values = size.channels * size.pixels(), blocks = size.blocks();
  const int64_t parts = size.channels_last ? 1 : blocks;
  const int64_t table_rows = size.height + size.kernel_size - 1;
#pragma omp parallel num_threads(size.threads)
  {
#pragma omp for
    for (int64_t unit = 0; unit < size.images * blocks * table_rows; ++unit) {
      const int64_t image = unit / table_rows / blocks;
      const Block block(size, unit / table_rows % blocks);
      fill_table_row(size, block, x + image * image_values, unit % table_rows,
                     tables + (image * size.channels + block.first) * size.table_pixels());
    }
    Room<T> room(size);
#pragma omp for
    for (int64_t unit = 0; unit < size.images * parts * size.height; ++unit) {
      const int64_t image = unit / size.height / parts, index = unit / size.height % parts;
      reassemble(size, tables, kernels, image, index * blocks / parts,
                 (index + 1) * blocks / parts, unit % size.height, result, room);
    }
  }
}

// `tables` has room for two of a block for each thread; `grad_kernels` has one for each share.
template <class T>
void reassemble_all_backward(const Sizes& size, const T* grad_result, const T* x, const T* kernels,
                             T* tables, T* grad_x, T* grad_kernels) {
  const int64_t image_values = size.channels * size.pixels();
  const int64_t values = size.block * size.table_pixels();
  const int64_t share_values = size.images * size.groups * size.taps() * size.lines() * size.line();
#pragma omp parallel num_threads(size.threads)
  {
    Room<T> room(size);
    T* table = tables + 2 * omp_get_thread_num() * values;
    T* grad_table = table + values;
#pragma omp for schedule(dynamic)
    for (int64_t unit = 0; unit < size.images * size.groups * size.shares; ++unit) {
      const int64_t share = unit % size.shares, group = unit / size.shares % size.groups;
      const int64_t image = unit / size.shares / size.groups, blocks = size.blocks_of_group();
      const int64_t first = share * blocks / size.shares;
      for (int64_t number = first; number < (share + 1) * blocks / size.shares; ++number) {
        const Block block(size, group * blocks + number);
        for (int64_t row = 0; row < size.height + size.kernel_size - 1; ++row)
          fill_table_row(size, block, x + image * image_values, row, table);
        std::fill_n(grad_table, values, T(0));
        reassemble_backward(size, block, grad_result, table, kernels, image, number == first,
                            grad_table, grad_kernels + share * share_values, room);
        read_table(size, block, grad_table, grad_x + image * image_values);
      }
    }
  }
}

}  // namespace
}  // namespace mmdyup

#define EXPORT(T, name)                                                                          \
  extern "C" void mmdyup_reassemble_##name(const mmdyup::Sizes* size, const T* x,                \
                                           const T* kernels, T* tables, T* result) {             \
    mmdyup::reassemble_all(*size, x, kernels, tables, result);                                   \
  }                                                                                              \
  extern "C" void mmdyup_reassemble_backward_##name(                                             \
      const mmdyup::Sizes* size, const T* grad_result, const T* x, const T* kernels, T* tables,  \
      T* grad_x, T* grad_kernels) {                                                              \
    mmdyup::reassemble_all_backward(*size, grad_result, x, kernels, tables, grad_x,              \
                                    grad_kernels);                                               \
  }

EXPORT(float, float32)
EXPORT(double, float64)
