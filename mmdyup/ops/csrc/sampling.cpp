// Bilinear samples around cells, and their gradients: see mmdyup/ops/sampling.
//
// A sample is the weighted sum of four pixels. The channels of a pixel must lie side by side for
// it: a map that is not in channels-last is copied to tables, one a block.
#include "maps.h"

#include <vector>

namespace mmdyup {
namespace {

// How many columns ahead of the work the processor fetches what lies side by side.
constexpr int64_t AHEAD = 12;

// Where one group samples the columns of a tile, which are ordered by place, then cell.
template <class T> struct Samples {
  int32_t *pixel, *right, *down;  // the upper left one, and steps to its neighbours, in pixels
  T *nw, *ne, *sw, *se;           // the weights of the four
  T *x, *y;                       // between the pixels, 0 to 1
  T *slope_x, *slope_y;           // of the position by the offset: 0 beyond the border
};

template <class T> class SamplesOfGroups {
  int64_t columns;
  std::unique_ptr<int32_t[]> pixels;
  std::unique_ptr<T[]> numbers;

public:
  explicit SamplesOfGroups(const Sampling& size)
      : columns(size.tile_cells() * size.scale_factor),
        pixels(new int32_t[3 * size.groups * columns]), numbers(new T[8 * size.groups * columns]) {}

  Samples<T> operator[](int64_t group) const {
    int32_t* p = pixels.get() + 3 * group * columns;
    T* n = numbers.get() + 8 * group * columns;
    const auto at = [&](int64_t i) { return n + i * columns; };
    return {p,     p + columns, p + 2 * columns, at(0), at(1), at(2), at(3),
            at(4), at(5),       at(6),           at(7)};
  }
};

// A tile of a line.
struct Tile {
  int64_t line, cell, cells;
};

template <class T>
void find_samples(const Sampling& size, const T* offsets, const T* start, int64_t image,
                  int64_t group, const Tile& tile, const Samples<T>& to) {
  const int64_t s = size.scale_factor, row = tile.line / s, i = tile.line % s;
  const int64_t* step = size.offsets_step;
  const int32_t width = int32_t(size.width), cells = int32_t(tile.cells);
  const int32_t last_column = width - 1, last_row = int32_t(size.height - 1);
  const T scale = T(size.scale);
  for (int64_t j = 0; j < s; ++j) {
    const T* o = offsets + image * step[0] + group * step[2] + i * step[3] + j * step[4] +
                 row * step[5] + tile.cell * step[6];
    const T left = T(tile.cell), top = T(row);
    const T start_x = start ? start[(group * s + i) * s + j] : T(0);
    const T start_y = start ? start[((size.groups + group) * s + i) * s + j] : T(0);
    const int64_t first = j * cells;
    VECTORS
    for (int32_t n = 0; n < cells; ++n) {
      const T x = left + T(n) + start_x + scale * o[n * step[6]];
      const T y = top + start_y + scale * o[n * step[6] + step[1]];
      // what is not a number is not above 0 either
      const T positive_x = x > 0 ? x : T(0), positive_y = y > 0 ? y : T(0);
      const T inside_x = positive_x < T(last_column) ? positive_x : T(last_column);
      const T inside_y = positive_y < T(last_row) ? positive_y : T(last_row);
      const int32_t west = int32_t(inside_x), north = int32_t(inside_y);
      const T by_x = inside_x - T(west), by_y = inside_y - T(north), se = by_x * by_y;
      to.pixel[first + n] = north * width + west;
      to.right[first + n] = west < last_column ? 1 : 0;
      to.down[first + n] = north < last_row ? width : 0;
      to.nw[first + n] = 1 - by_x - (by_y - se);
      to.ne[first + n] = by_x - se;
      to.sw[first + n] = by_y - se;
      to.se[first + n] = se;
      to.x[first + n] = by_x;
      to.y[first + n] = by_y;
      to.slope_x[first + n] = x == inside_x ? scale : T(0);
      to.slope_y[first + n] = y == inside_y ? scale : T(0);
    }
  }
}

// A block, where its group samples a tile, and where the pixels of x and of its gradient lie.
template <class T> struct View {
  Block block;
  Samples<T> samples;
  Columns<const T> x;
  T* grad_x;

  // Has the processor fetch what a later one of `count` samples meets of the lower row: the upper
  // one was met by the line before.
  ALWAYS_INLINE void fetch_lower(int64_t i, int64_t count) const {
    const int64_t later = std::min(i + AHEAD, count - 1);
    fetch(x.from(samples.pixel[later] + samples.down[later]).at, block.channels);
  }
};

template <class T>
Row<T> row_of_x(const Sampling& size, T* x, int64_t image, const Block& block, int64_t row) {
  return Row<T>(x, size.x_channels_last, size.channels, size.height, size.width, image,
                block.first, row);
}

template <class T>
Row<T> row_of_y(const Sampling& size, T* y, int64_t image, const Block& block, int64_t line) {
  return Row<T>(y, size.y_channels_last, size.channels, size.lines(), size.line(), image,
                block.first, line);
}

// work(tile) for a line.
template <class Work> void each_tile(const Sampling& size, int64_t line, Work work) {
  for (int64_t cell = 0; cell < size.width; cell += size.tile_cells())
    work(Tile{line, cell, std::min(size.tile_cells(), size.width - cell)});
}

// work(column, sample) for the columns of a tile. Meanwhile the processor fetches what comes next of
// a row of y, beyond the line's end too: there the next one begins.
template <class Y, class Work>
inline void each_column(const Sampling& size, const Tile& tile, const Row<Y>& y, int64_t channels,
                        Work work) {
  const int64_t s = size.scale_factor, begin = tile.cell * s, count = tile.cells * s;
  for (int64_t cell = 0, column = 0; cell < tile.cells; ++cell) {
    if (!y.is_columns()) y.fetch_share(begin + count, count, channels, cell, tile.cells);
    for (int64_t j = 0; j < s; ++j, ++column) {
      if (y.is_columns()) fetch(y.columns(begin + column + AHEAD).at, channels);
      work(column, j * tile.cells + cell);
    }
  }
}

template <class T>
inline void sample(const Samples<T>& samples, int64_t i, Columns<const T> x, int64_t channels,
                   T* y) {
  const T *nw = x.from(samples.pixel[i]).at, *ne = nw + samples.right[i] * x.step;
  const T *sw = nw + samples.down[i] * x.step, *se = sw + samples.right[i] * x.step;
  const T by_nw = samples.nw[i], by_ne = samples.ne[i], by_sw = samples.sw[i], by_se = samples.se[i];
  int64_t c = 0;
  for (; c + LANES<T> <= channels; c += LANES<T>)
    store(y + c, by_nw * load(nw + c) + by_ne * load(ne + c) + by_sw * load(sw + c) +
                     by_se * load(se + c));
  for (; c < channels; ++c) y[c] = by_nw * nw[c] + by_ne * ne[c] + by_sw * sw[c] + by_se * se[c];
}

// Adds to the gradients of the four pixels, and makes `sums` of the products of each with grad_y.
// Not inline, or compilers run out of registers.
template <bool multiplies, bool spreads, class T>
__attribute__((noinline)) void sample_backward(const View<T>& view, int64_t i, const T* grad_y,
                                               bool is_late, T* nowhere, T* sums) {
  const Samples<T>& samples = view.samples;
  const int64_t channels = view.block.channels, step = view.x.step;
  const int64_t pixel = samples.pixel[i] * step;
  const int64_t right = samples.right[i] * step, down = samples.down[i] * step;
  const T* nw = view.x.at + pixel;
  const T *ne = nw + right, *sw = nw + down, *se = sw + right;
  // a neighbour beyond the border gets nothing, whatever the gradient is
  T* grad_nw = is_late || !spreads ? nowhere : view.grad_x + pixel;
  T* grad_ne = right && !is_late ? grad_nw + right : nowhere;
  T* grad_sw = down && !is_late ? grad_nw + down : nowhere;
  T* grad_se = right && down && !is_late ? grad_sw + right : nowhere;
  const T by_nw = samples.nw[i], by_ne = samples.ne[i], by_sw = samples.sw[i], by_se = samples.se[i];
  Vector<T> products[4] = {};
  int64_t c = 0;
  for (; c + LANES<T> <= channels; c += LANES<T>) {
    const Vector<T> grad = load_to_register(grad_y + c);
    if constexpr (multiplies) {
      products[0] += grad * load(nw + c);
      products[1] += grad * load(ne + c);
      products[2] += grad * load(sw + c);
      products[3] += grad * load(se + c);
    }
    if constexpr (spreads) {
      store(grad_nw + c, load(grad_nw + c) + by_nw * grad);
      store(grad_ne + c, load(grad_ne + c) + by_ne * grad);
      store(grad_sw + c, load(grad_sw + c) + by_sw * grad);
      store(grad_se + c, load(grad_se + c) + by_se * grad);
    }
  }
  if constexpr (multiplies) sum_four(products, sums);
  for (; c < channels; ++c) {
    const T grad = grad_y[c];
    if constexpr (multiplies) {
      sums[0] += grad * nw[c];
      sums[1] += grad * ne[c];
      sums[2] += grad * sw[c];
      sums[3] += grad * se[c];
    }
    if constexpr (spreads) {
      grad_nw[c] += by_nw * grad;
      grad_ne[c] += by_ne * grad;
      grad_sw[c] += by_sw * grad;
      grad_se[c] += by_se * grad;
    }
  }
}

template <class T>
void write_grad_offsets(const Sampling& size, int64_t image, const View<T>& view,
                        const Tile& tile, const T* sums, T* grad_offsets) {
  const int64_t s = size.scale_factor, *step = size.grad_offsets_step;
  const Block& block = view.block;
  const Samples<T>& samples = view.samples;
  for (int64_t j = 0, i = 0; j < s; ++j) {
    T* to = grad_offsets + image * step[0] + block.group * step[2] + tile.line % s * step[3] +
            j * step[4] + tile.line / s * step[5] + tile.cell * step[6] + block.number * step[7];
    for (int64_t cell = 0; cell < tile.cells; ++cell, ++i, to += step[6]) {
      const T nw = sums[4 * i], ne = sums[4 * i + 1], sw = sums[4 * i + 2], se = sums[4 * i + 3];
      const T x = samples.x[i], y = samples.y[i];
      to[0] = samples.slope_x[i] * ((1 - y) * (ne - nw) + y * (se - sw));
      to[step[1]] = samples.slope_y[i] * ((1 - x) * (sw - nw) + x * (se - ne));
    }
  }
}

// `tables` has room for x, unless that is in channels-last.
template <class T>
void sample_all(const Sampling& size, const T* x, const T* offsets, const T* start, T* tables,
                T* y) {
  const int64_t s = size.scale_factor, image_values = size.channels * size.pixels();
  if (!size.x_channels_last)
    divide(size, size.images * size.blocks(), size.height,
           [&](int64_t unit, int64_t from, int64_t to) {
      const int64_t image = unit / size.blocks();
      const Block block(size, unit % size.blocks());
      const Columns<T> table = {tables + image * image_values + block.first * size.pixels(),
                                block.channels};
      for (int64_t row = from; row < to; ++row)
        row_of_x(size, x, image, block, row)
            .read(0, size.width, block.channels, table.from(row * size.width));
    });
  const int64_t parts = size.y_channels_last ? 1 : size.blocks();
  divide(size, size.images * parts, size.height,
         [&](int64_t unit, int64_t from, int64_t to) {
    const Part part(size, parts, unit);
    const SamplesOfGroups<T> samples(size);
    const T* pixels = (size.x_channels_last ? x : tables) + part.image * image_values;
    std::vector<View<T>> views;
    for (int64_t index = part.from; index < part.to; ++index) {
      const Block block(size, index);
      const Columns<const T> in_place = {pixels + block.first, size.channels};
      const Columns<const T> table = {pixels + block.first * size.pixels(), block.channels};
      views.push_back({block, samples[block.group], size.x_channels_last ? in_place : table,
                       nullptr});
    }
    const Block& first = views.front().block;
    const Table<T> tile_of_y(size.tile_cells() * s, size.y_channels_last ? 0 : first.channels);
    for (int64_t line = from * s; line < to * s; ++line)
      each_tile(size, line, [&](const Tile& tile) {
        for (int64_t group = first.group; group <= views.back().block.group; ++group)
          find_samples(size, offsets, start, part.image, group, tile, samples[group]);
        const Row<T> row = row_of_y(size, y, part.image, first, line);
        const Columns<T> out =
            size.y_channels_last ? row.columns(tile.cell * s) : tile_of_y.columns();
        const int64_t channels = size.y_channels_last ? size.channels : first.channels;
        each_column(size, tile, row, channels, [&](int64_t column, int64_t i) {
          for (const View<T>& view : views) view.fetch_lower(i, tile.cells * s);
          for (const View<T>& view : views)
            sample(view.samples, i, view.x, view.block.channels,
                   out.from(column, view.block.first - first.first).at);
        });
        if (!size.y_channels_last) row.write(tile.cell * s, tile.cells * s, first.channels, out);
      });
  });
}

// What a sample adds to the gradients of its pixels, once these are no thread's own any more.
template <class T> struct Late {
  const T* grad_y;
  T* grad_nw;
  int64_t right, down, channels;
  T nw, ne, sw, se;

  Late(const View<T>& view, int64_t i, const T* grad_y)
      : grad_y(grad_y), grad_nw(view.grad_x + view.samples.pixel[i] * view.x.step),
        right(view.samples.right[i] * view.x.step), down(view.samples.down[i] * view.x.step),
        channels(view.block.channels), nw(view.samples.nw[i]), ne(view.samples.ne[i]),
        sw(view.samples.sw[i]), se(view.samples.se[i]) {}

  // For one of `shares` equal shares of the channels.
  void add(int64_t share, int64_t shares) const {
    const int64_t from = channels * share / shares, to = channels * (share + 1) / shares;
    const auto add_to = [&](T* grad, T weight) {
      for (int64_t c = from; c < to; ++c) grad[c] += weight * grad_y[c];
    };
    add_to(grad_nw, nw);
    if (right) add_to(grad_nw + right, ne);
    if (down) add_to(grad_nw + down, sw);
    if (right && down) add_to(grad_nw + down + right, se);
  }
};

// What the gradients are made of, and that of the offsets. One that is not needed is null.
template <class T> struct Given {
  const Sampling& size;
  const T *grad_y, *offsets, *start;
  T* grad_offsets;
};

// For rows `from` to `to` of cells. With `late`, rows of pixels are divided between threads as these
// are, and a sample that meets another thread's is added to it.
template <bool multiplies, bool spreads, class T>
void go_back(const Given<T>& given, const Part& part, Columns<const T> x, Columns<T> grad_x,
             int64_t from, int64_t to, std::vector<Late<T>>* late) {
  const Sampling& size = given.size;
  const int64_t s = size.scale_factor, columns = size.tile_cells() * s;
  const Block first(size, part.from), last(size, part.to - 1);
  const int64_t channels = last.first + last.channels - first.first;
  const SamplesOfGroups<T> samples(size);
  std::vector<View<T>> views;
  for (int64_t index = part.from; index < part.to; ++index) {
    const Block block(size, index);
    const int64_t channel = block.first - first.first;
    views.push_back({block, samples[block.group], x.from(0, channel), grad_x.from(0, channel).at});
  }
  const Table<T> tile_of_y(columns, size.y_channels_last ? 0 : channels), nowhere(1, size.block);
  std::fill_n(nowhere.columns().at, size.block, T(0));
  const std::unique_ptr<T[]> sums(new T[4 * columns * views.size()]);
  for (int64_t line = from * s; line < to * s; ++line)
    each_tile(size, line, [&](const Tile& tile) {
      for (int64_t group = first.group; group <= last.group; ++group)
        find_samples(size, given.offsets, given.start, part.image, group, tile, samples[group]);
      const Row<const T> row = row_of_y(size, given.grad_y, part.image, first, line);
      Columns<const T> in = row.columns(tile.cell * s);
      if (!size.y_channels_last) {
        const Columns<T> to = tile_of_y.columns();
        row.read(tile.cell * s, tile.cells * s, channels, to);
        in = {to.at, to.step};
      }
      each_column(size, tile, row, channels, [&](int64_t column, int64_t i) {
        T* to_sums = sums.get() + 4 * i;
        for (const View<T>& view : views) {
          const T* grad_y = in.from(column, view.block.first - first.first).at;
          const int64_t pixel = view.samples.pixel[i];
          const bool is_late = late && (pixel < from * size.width ||
                                        pixel + view.samples.down[i] >= to * size.width);
          if (is_late) late->emplace_back(view, i, grad_y);
          sample_backward<multiplies, spreads>(view, i, grad_y, is_late, nowhere.columns().at,
                                               to_sums);
          to_sums += 4 * columns;
        }
      });
      const T* of_view = sums.get();
      for (const View<T>& view : views) {
        if (!multiplies) break;
        write_grad_offsets(size, part.image, view, tile, of_view, given.grad_offsets);
        of_view += 4 * columns;
      }
    });
}

// For x and y in channels-last: threads divide rows, and share channels where they would meet.
template <bool multiplies, bool spreads, class T>
void go_back_in_place(const Given<T>& given, const T* x, T* grad_x) {
  const Sampling& size = given.size;
  std::vector<std::vector<Late<T>>> late(size.threads);
  divide(size, size.images, size.height, [&](int64_t image, int64_t from, int64_t to) {
    const int64_t row = size.width * size.channels, at = image * size.height * row;
    T* grads = spreads ? grad_x + at : nullptr;
    if (spreads) std::fill_n(grads + from * row, (to - from) * row, T(0));
    const bool is_alone = !spreads || (from == 0 && to == size.height);
    go_back<multiplies, spreads, T>(given, Part(size, 1, image), {x + at, size.channels},
                                    {grads, size.channels}, from, to,
                                    is_alone ? nullptr : &late[omp_get_thread_num()]);
  });
  const auto is_empty = [](const auto& samples) { return samples.empty(); };
  if (std::all_of(late.begin(), late.end(), is_empty)) return;
  divide(size, size.threads, 1, [&](int64_t share, int64_t, int64_t) {
    for (const auto& samples : late)
      for (const Late<T>& sample : samples) sample.add(share, size.threads);
  });
}

// `tables` has room for two of a block for each thread: threads divide blocks.
template <bool multiplies, bool spreads, class T>
void go_back_in_tables(const Given<T>& given, const T* x, T* tables, T* grad_x) {
  const Sampling& size = given.size;
  const int64_t pixels = size.pixels(), width = size.width, blocks = size.blocks();
  divide(size, size.images * blocks, 1, [&](int64_t unit, int64_t, int64_t) {
    const Part part(size, blocks, unit);
    const Block block(size, part.from);
    T* table = tables + 2 * omp_get_thread_num() * pixels * size.block;
    const Columns<T> at = {table, block.channels};
    const Columns<T> grad_at = {table + pixels * size.block, block.channels};
    for (int64_t row = 0; multiplies && row < size.height; ++row)
      row_of_x(size, x, part.image, block, row).read(0, width, block.channels, at.from(row * width));
    if (spreads) std::fill_n(grad_at.at, pixels * block.channels, T(0));
    go_back<multiplies, spreads, T>(given, part, {at.at, at.step}, grad_at, 0, size.height,
                                    nullptr);
    for (int64_t row = 0; spreads && row < size.height; ++row)
      row_of_x(size, grad_x, part.image, block, row)
          .write(0, width, block.channels, grad_at.from(row * width));
  });
}

}  // namespace
}  // namespace mmdyup

#define EXPORT(T, name)                                                                          \
  extern "C" void mmdyup_sample_##name(const mmdyup::Sampling* size, const T* x,                 \
                                       const T* offsets, const T* start, T* tables, T* y) {      \
    mmdyup::sample_all(*size, x, offsets, start, tables, y);                                     \
  }                                                                                              \
  extern "C" void mmdyup_sample_backward_##name(                                                 \
      const mmdyup::Sampling* size, const T* x, const T* grad_y, const T* offsets,               \
      const T* start, T* tables, T* grad_x, T* grad_offsets) {                                   \
    const mmdyup::Given<T> given = {*size, grad_y, offsets, start, grad_offsets};                \
    mmdyup::choose(grad_offsets, grad_x, [&](auto products, auto spread) {                       \
      constexpr bool multiplies = products.value, spreads = spread.value;                        \
      if (size->x_channels_last)                                                                 \
        mmdyup::go_back_in_place<multiplies, spreads>(given, x, grad_x);                         \
      else mmdyup::go_back_in_tables<multiplies, spreads>(given, x, tables, grad_x);             \
    });                                                                                          \
  }

EXPORT(float, float32)
EXPORT(double, float64)
