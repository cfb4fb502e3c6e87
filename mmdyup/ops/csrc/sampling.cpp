// Bilinear samples around low-resolution cells: see mmdyup/ops/sampling/__init__.py.
//
// A sample is the weighted sum of four pixels, taken for a block of a group's channels at a time.
// The channels of a pixel must lie side by side for it: a map that is not in channels-last is
// copied into tables, one a block, whose rows are pixels, and results are transposed in tiles of a
// few columns that stay in the first cache.
#include "maps.h"

#include <vector>

// Before a loop that may be made of vectors though its pointers could overlap.
#ifdef __clang__
#define VECTORS _Pragma("clang loop vectorize(assume_safety)")
#else
#define VECTORS _Pragma("GCC ivdep")
#endif

namespace mmdyup {
namespace {

// How many columns ahead what will be read is fetched.
constexpr int64_t AHEAD = 6;

// Blocks `from` to `to` of an image, whose pixels are rows of a table, `step` values apart.
template <class T> struct Source {
  int64_t image, from, to;
  const T* table;
  int64_t step;
  const T *offsets, *start;
};

// Where the channels of a block begin in a line of the result or its gradient, and how far it is from
// there to the next column, or to the next channel.
template <class T> Row<T> line_of(const Sampling& size, const Block& block, T* result,
                                  int64_t image, int64_t line) {
  return Row<T>(result, size.y_channels_last, size.channels, size.lines(), size.line(), image,
                block.first, line);
}

// Where one group samples one line of the result.
template <class T> struct Places {
  std::vector<int64_t> pixel, right, down;  // the upper left one, and steps to its neighbours
  std::vector<T> x, y;                      // between the pixels, 0 to 1
  std::vector<T> slope_x, slope_y;          // of the position by the offset: 0 beyond the border

  explicit Places(int64_t line)
      : pixel(line), right(line), down(line), x(line), y(line), slope_x(line), slope_y(line) {}
};

// What a thread needs besides its part.
template <class T> struct Room {
  std::vector<Places<T>> groups;
  std::vector<T> tile, nowhere;

  explicit Room(const Sampling& size)
      : groups(size.groups, Places<T>(size.line())), tile(TILE * size.block),
        nowhere(3 * size.block) {}
};

template <class T> struct Weights {
  T nw, ne, sw, se;

  Weights(T x, T y) : se(x * y) {
    ne = x - se;
    sw = y - se;
    nw = 1 - x - sw;
  }
};

template <class T>
void find_places(const Sampling& size, const Source<T>& part, int64_t group, int64_t line,
                 Places<T>& places) {
  const int64_t s = size.scale_factor, row = line / s, i = line % s;
  const int64_t* step = size.offsets_step;
  const T scale = T(size.scale), last_x = T(size.width - 1), last_y = T(size.height - 1);
  for (int64_t j = 0; j < s; ++j) {
    const T start_x = part.start ? part.start[(group * s + i) * s + j] : T(0);
    const T start_y = part.start ? part.start[((size.groups + group) * s + i) * s + j] : T(0);
    const T* offset = part.offsets + part.image * step[0] + group * step[2] + i * step[3] +
                      j * step[4] + row * step[5];
    for (int64_t column = 0, v = j; column < size.width; ++column, v += s, offset += step[6]) {
      const T x = T(column) + start_x + scale * offset[0];
      const T y = T(row) + start_y + scale * offset[step[1]];
      // what is not a number is not above 0 either
      const T inside_x = std::min(x > 0 ? x : T(0), last_x);
      const T inside_y = std::min(y > 0 ? y : T(0), last_y);
      const int64_t west = int64_t(inside_x), north = int64_t(inside_y);
      places.x[v] = inside_x - T(west);
      places.y[v] = inside_y - T(north);
      places.slope_x[v] = x == inside_x ? scale : T(0);
      places.slope_y[v] = y == inside_y ? scale : T(0);
      places.pixel[v] = (north * size.width + west) * part.step;
      places.right[v] = west < size.width - 1 ? part.step : 0;
      places.down[v] = north < size.height - 1 ? size.width * part.step : 0;
    }
  }
}

// The lines of the result that belong to one row of cells.
template <class T>
void sample(const Sampling& size, const Source<T>& part, int64_t row, T* result, Room<T>& room) {
  const Block first(size, part.from), last(size, part.to - 1);
  for (int64_t line = row * size.scale_factor; line < (row + 1) * size.scale_factor; ++line) {
    for (int64_t group = first.group; group <= last.group; ++group)
      find_places(size, part, group, line, room.groups[group]);
    for (int64_t begin = 0; begin < size.line(); begin += TILE) {
      const int64_t columns = std::min(TILE, size.line() - begin);
      for (int64_t index = part.from; index < part.to; ++index) {
        const Block block(size, index);
        const Places<T>& places = room.groups[block.group];
        const Row<T> out = line_of(size, block, result, part.image, line);
        const int64_t step = size.x_channels_last ? out.column : block.channels;
        T* y = size.x_channels_last ? out.at + begin * step : room.tile.data();
        for (int64_t v = begin; v < begin + columns; ++v, y += step) {
          const T* nw = part.table + block.first - first.first + places.pixel[v];
          const T *ne = nw + places.right[v], *sw = nw + places.down[v], *se = sw + places.right[v];
          const Weights<T> weight(places.x[v], places.y[v]);
          VECTORS
          for (int64_t c = 0; c < block.channels; ++c)
            y[c] = weight.nw * nw[c] + weight.ne * ne[c] + weight.sw * sw[c] + weight.se * se[c];
        }
        if (!size.x_channels_last)
          transpose(room.tile.data(), step, out.at + begin, out.channel, columns, block.channels);
      }
    }
  }
}

// Adds to the gradient of the part's pixels, and writes that of its offsets.
template <class T>
void sample_backward(const Sampling& size, const Source<T>& part, const T* grad_result, T* grad_table,
                     T* grad_offsets, Room<T>& room) {
  const int64_t s = size.scale_factor, *to = size.grad_offsets_step;
  const Block first(size, part.from), last(size, part.to - 1);
  for (int64_t line = 0; line < size.lines(); ++line) {
    for (int64_t group = first.group; group <= last.group; ++group)
      find_places(size, part, group, line, room.groups[group]);
    for (int64_t begin = 0; begin < size.line(); begin += TILE) {
      const int64_t columns = std::min(TILE, size.line() - begin);
      for (int64_t index = part.from; index < part.to; ++index) {
        const Block block(size, index);
        const Places<T>& places = room.groups[block.group];
        const Row<const T> in = line_of(size, block, grad_result, part.image, line);
        const int64_t step = size.x_channels_last ? in.column : block.channels;
        const T* grad = size.x_channels_last ? in.at + begin * step : room.tile.data();
        if (!size.x_channels_last)
          transpose(in.at + begin, in.channel, room.tile.data(), step, block.channels, columns);
        for (int64_t v = begin; v < begin + columns; ++v, grad += step) {
          if (size.x_channels_last) fetch(grad + AHEAD * step, block.channels);
          const int64_t pixel = block.first - first.first + places.pixel[v];
          const int64_t right = places.right[v], down = places.down[v];
          const T* nw = part.table + pixel;
          const T *ne = nw + right, *sw = nw + down, *se = sw + right;
          // four places that differ, or what one adds another would lose
          T* grad_nw = grad_table + pixel;
          T* grad_ne = right ? grad_nw + right : room.nowhere.data();
          T* grad_sw = down ? grad_nw + down : room.nowhere.data() + size.block;
          T* grad_se = right && down ? grad_sw + right : room.nowhere.data() + 2 * size.block;
          const Weights<T> weight(places.x[v], places.y[v]);
          T by_nw = 0, by_ne = 0, by_sw = 0, by_se = 0;
          VECTORS
          for (int64_t c = 0; c < block.channels; ++c) {
            by_nw += grad[c] * nw[c];
            by_ne += grad[c] * ne[c];
            by_sw += grad[c] * sw[c];
            by_se += grad[c] * se[c];
            grad_nw[c] += weight.nw * grad[c];
            grad_ne[c] += weight.ne * grad[c];
            grad_sw[c] += weight.sw * grad[c];
            grad_se[c] += weight.se * grad[c];
          }
          T* out = grad_offsets + part.image * to[0] + block.group * to[2] + line % s * to[3] +
                   v % s * to[4] + line / s * to[5] + v / s * to[6] + block.number * to[7];
          const T x = places.x[v], y = places.y[v];
          out[0] = places.slope_x[v] * ((1 - y) * (by_ne - by_nw) + y * (by_se - by_sw));
          out[to[1]] = places.slope_y[v] * ((1 - x) * (by_sw - by_nw) + x * (by_se - by_ne));
        }
      }
    }
  }
}

// `tables` has room for x, unless that is in channels-last.
template <class T>
void sample_all(const Sampling& size, const T* x, const T* offsets, const T* start, T* tables,
                T* result) {
  const int64_t pixels = size.pixels(), image_values = size.channels * pixels;
  const int64_t blocks = size.blocks(), parts = size.x_channels_last ? 1 : blocks;
#pragma omp parallel num_threads(size.threads)
  {
    if (!size.x_channels_last) {
#pragma omp for
      for (int64_t unit = 0; unit < size.images * blocks * size.height; ++unit) {
        const int64_t row = unit % size.height, image = unit / size.height / blocks;
        const Block block(size, unit / size.height % blocks);
        const int64_t at = image * image_values + block.first * pixels;
        const int64_t pixel = row * size.width;
        transpose(x + at + pixel, pixels, tables + at + pixel * block.channels, block.channels,
                  block.channels, size.width);
      }
    }
    Room<T> room(size);
#pragma omp for
    for (int64_t unit = 0; unit < size.images * parts * size.height; ++unit) {
      const int64_t row = unit % size.height, image = unit / size.height / parts;
      const int64_t index = unit / size.height % parts;
      const Block block(size, index);
      Source<T> part = {image, index, index + 1, tables + image * image_values + block.first * pixels,
                      block.channels, offsets, start};
      if (size.x_channels_last)
        part = {image, 0, blocks, x + image * image_values, size.channels, offsets, start};
      sample(size, part, row, result, room);
    }
  }
}

// `tables` has room for two of a block for each thread, unless maps are in channels-last.
template <class T>
void sample_all_backward(const Sampling& size, const T* grad_result, const T* x, const T* offsets,
                         const T* start, T* tables, T* grad_x, T* grad_offsets) {
  const int64_t pixels = size.pixels(), blocks = size.blocks();
  // samples of one pixel must not meet in two threads: these share channels, not rows
  const int64_t sharers = (size.threads + size.images - 1) / size.images;
  const int64_t parts = size.x_channels_last ? std::min(blocks, sharers) : blocks;
#pragma omp parallel num_threads(size.threads)
  {
    Room<T> room(size);
    T* table = tables + 2 * omp_get_thread_num() * pixels * size.block;
    T* grad_table = table + pixels * size.block;
#pragma omp for schedule(dynamic)
    for (int64_t unit = 0; unit < size.images * parts; ++unit) {
      const int64_t image = unit / parts, index = unit % parts;
      const int64_t from = index * blocks / parts, to = (index + 1) * blocks / parts;
      const Block first(size, from), last(size, to - 1);
      const int64_t channels = last.first + last.channels - first.first;
      if (size.x_channels_last) {
        const int64_t at = image * size.channels * pixels + first.first;
        for (int64_t pixel = 0; pixel < pixels; ++pixel)
          std::fill_n(grad_x + at + pixel * size.channels, channels, T(0));
        const Source<T> part = {image, from, to, x + at, size.channels, offsets, start};
        sample_backward(size, part, grad_result, grad_x + at, grad_offsets, room);
      } else {
        const int64_t at = (image * size.channels + first.first) * pixels;
        transpose(x + at, pixels, table, channels, channels, pixels);
        std::fill_n(grad_table, channels * pixels, T(0));
        const Source<T> part = {image, from, to, table, channels, offsets, start};
        sample_backward(size, part, grad_result, grad_table, grad_offsets, room);
        transpose(grad_table, channels, grad_x + at, pixels, pixels, channels);
      }
    }
  }
}

}  // namespace
}  // namespace mmdyup

#define EXPORT(T, name)                                                                          \
  extern "C" void mmdyup_sample_##name(const mmdyup::Sampling* size, const T* x,              \
                                             const T* offsets, const T* start, T* tables,        \
                                             T* result) {                                        \
    mmdyup::sample_all(*size, x, offsets, start, tables, result);                                \
  }                                                                                              \
  extern "C" void mmdyup_sample_backward_##name(                                           \
      const mmdyup::Sampling* size, const T* grad_result, const T* x, const T* offsets,             \
      const T* start, T* tables, T* grad_x, T* grad_offsets) {                                   \
    mmdyup::sample_all_backward(*size, grad_result, x, offsets, start, tables, grad_x,           \
                                grad_offsets);                                                   \
  }

EXPORT(float, float32)
EXPORT(double, float64)
