// The contractions of y[c,u,v] = Σ_ab m[ab,u,v] · x[c,⌊u/s⌋+a−r,⌊v/s⌋+b−r]: see
// mmdyup/ops/reassembly/contractions.py.
//
// A tap meets whole vectors of channels, and the places that a cell has in a line share the loads
// of its pixels. A thread takes one row of cells after the other.
#include "maps.h"

#include <vector>

namespace mmdyup {
namespace {

// What a cell meets: rows `from` to `to` of its taps, and where the pixels of each row begin.
struct Taps {
  const int64_t* starts;
  int64_t pixel_step, kernel_size, from, to;
};

// The k rows of pixels that a row of cells meets, with zeros beyond the map; every block of a part
// has a table of its own. A row takes the place of the one k rows before it.
template <class T> class Window {
  const Reassembly& size;
  const Part& part;
  const int64_t margin, width;
  const Table<T> table;
  std::vector<int64_t> starts;

public:
  Window(const Reassembly& size, const Part& part)
      : size(size), part(part), margin(size.kernel_size / 2), width(size.width + 2 * margin),
        table((part.to - part.from) * size.kernel_size * width,
              std::min(size.block, size.channels_of_group())),
        starts(size.kernel_size) {}

  void read(const T* x, int64_t row) const {
    if (row < 0 || row >= size.height) return clear(row);
    for (int64_t index = part.from; index < part.to; ++index) {
      const Columns<T> to = columns(index, row);
      std::fill(to.at, to.from(margin).at, T(0));
      std::fill(to.from(width - margin).at, to.from(width).at, T(0));
      const Block block(size, index);
      row_of(x, block, row).read_vectors(0, size.width, block.channels, to.from(margin));
    }
  }

  void clear(int64_t row) const {
    for (int64_t index = part.from; index < part.to; ++index) {
      const Columns<T> to = columns(index, row);
      std::fill(to.at, to.from(width).at, T(0));
    }
  }

  void write(T* x, int64_t row) const {
    for (int64_t index = part.from; index < part.to; ++index) {
      const Block block(size, index);
      row_of(x, block, row)
          .write(0, size.width, block.channels, columns(index, row).from(margin));
    }
  }

  // Of a row of cells.
  Taps taps(int64_t row, int64_t from, int64_t to) {
    const int64_t k = size.kernel_size, step = table.columns().step;
    for (int64_t a = 0; a < k; ++a) starts[a] = (row + a) % k * width * step;
    return {starts.data(), step, k, from, to};
  }

  // What a cell's taps begin at.
  T* corner(int64_t index, int64_t cell) const {
    return table.columns().from((index - part.from) * size.kernel_size * width + cell).at;
  }

private:
  Columns<T> columns(int64_t index, int64_t row) const {
    return {corner(index, (row + margin) % size.kernel_size * width), table.columns().step};
  }

  template <class X> Row<X> row_of(X* x, const Block& block, int64_t row) const {
    return Row<X>(x, size.x_channels_last, size.channels, size.height, size.width, part.image,
                  block.first, row);
  }
};

template <int places, int vectors, class T>
inline void reassemble_vectors(const T* x, const Taps& taps, Columns<const T> kernels,
                               Columns<T> y) {
  Vector<T> sums[places][vectors] = {};
  for (int64_t a = 0, tap = 0; a < taps.kernel_size; ++a) {
    const T* pixel = x + taps.starts[a];
    for (int64_t b = 0; b < taps.kernel_size; ++b, ++tap, pixel += taps.pixel_step)
      for (int i = 0; i < vectors; ++i) {
        const Vector<T> values = load_to_register(pixel + i * LANES<T>);
        for (int p = 0; p < places; ++p) sums[p][i] += *kernels.from(p, tap).at * values;
      }
  }
  for (int p = 0; p < places; ++p)
    for (int i = 0; i < vectors; ++i) store(y.from(p, i * LANES<T>).at, sums[p][i]);
}

template <int places, int vectors, class T>
inline void spread_vectors(Columns<const T> kernels, Columns<const T> y, const Taps& taps, T* x) {
  Vector<T> values[places][vectors];
  for (int p = 0; p < places; ++p)
    for (int i = 0; i < vectors; ++i) values[p][i] = load(y.from(p, i * LANES<T>).at);
  for (int64_t a = taps.from, tap = a * taps.kernel_size; a < taps.to; ++a) {
    T* pixel = x + taps.starts[a];
    for (int64_t b = 0; b < taps.kernel_size; ++b, ++tap, pixel += taps.pixel_step) {
      T weights[places];
      for (int p = 0; p < places; ++p) weights[p] = *kernels.from(p, tap).at;
      for (int i = 0; i < vectors; ++i) {
        Vector<T> sum = load(pixel + i * LANES<T>);
        for (int p = 0; p < places; ++p) sum += weights[p] * values[p][i];
        store(pixel + i * LANES<T>, sum);
      }
    }
  }
}

// For `count` taps of a row.
template <int places, int count, class T>
inline void score_taps(const T* x, int64_t pixel_step, Columns<const T> y, int64_t channels,
                       Columns<T> kernels) {
  constexpr int sums = (places * count + 3) / 4 * 4;
  Vector<T> products[sums] = {};
  for (int64_t c = 0; c < channels; c += LANES<T>) {
    Vector<T> values[places];
    for (int p = 0; p < places; ++p) values[p] = load_to_register(y.from(p, c).at);
    for (int b = 0; b < count; ++b) {
      const Vector<T> pixel = load_to_register(x + b * pixel_step + c);
      for (int p = 0; p < places; ++p) products[p * count + b] += pixel * values[p];
    }
  }
  T totals[sums];
  for (int i = 0; i < sums; i += 4) sum_four(products + i, totals + i);
  for (int p = 0; p < places; ++p)
    for (int b = 0; b < count; ++b) *kernels.from(p, b).at += totals[p * count + b];
}

template <int places, class T>
inline void score_cell(const T* x, const Taps& taps, Columns<const T> y, int64_t channels,
                       Columns<T> kernels) {
  for (int64_t a = 0; a < taps.kernel_size; ++a)
    for (int64_t b = 0, count; b < taps.kernel_size; b += count) {
      const auto run = [&](auto score) {
        score(x + taps.starts[a] + b * taps.pixel_step, taps.pixel_step, y, channels,
              kernels.from(0, a * taps.kernel_size + b));
      };
      const int64_t left = taps.kernel_size - b;
      // no more at once than registers hold: 7 are 4 and 3
      count = left == 7 ? 4 : std::min<int64_t>(left, 5);
      if (count == 5) run(score_taps<places, 5, T>);
      else if (count == 4) run(score_taps<places, 4, T>);
      else if (count == 3) run(score_taps<places, 3, T>);
      else if (count == 2) run(score_taps<places, 2, T>);
      else run(score_taps<places, 1, T>);
    }
}

// What is worked on at a time: a tile of a line, for one block.
struct Spot {
  int64_t line, cell, cells, index;

  Spot next(const Reassembly& size, const Part& part) const {
    Spot spot = *this;
    if (++spot.index < part.to) return spot;
    spot.index = part.from;
    spot.cell += cells;
    if (spot.cell == size.width) ++spot.line, spot.cell = 0;
    spot.cells = std::min(size.tile_cells(), size.width - spot.cell);
    return spot;
  }
};

// work(spot, block, next spot) for a row of cells.
template <class Work>
void each_spot(const Reassembly& size, const Part& part, int64_t row, Work work) {
  const int64_t end = (row + 1) * size.scale_factor;
  Spot spot = {row * size.scale_factor, 0, std::min(size.tile_cells(), size.width), part.from};
  while (spot.line < end) {
    const Spot next = spot.next(size, part);
    work(spot, Block(size, spot.index), next.line < size.lines() ? next : spot);
    spot = next;
  }
}

// work<places>(cell, column) for the cells of a spot, and the places that they have in the line two
// by two. Meanwhile the processor fetches what the next spot meets of `y`.
template <class Y, class Work>
inline void each_place(const Reassembly& size, const Spot& spot, const Spot& next,
                       const Row<Y>& next_y, Work work) {
  const int64_t s = size.scale_factor, channels = Block(size, next.index).channels;
  for (int64_t cell = 0; cell < spot.cells; ++cell) {
    next_y.fetch_share(next.cell * s, next.cells * s, channels, cell, spot.cells);
    int64_t column = cell * s;
    for (; column + 2 <= (cell + 1) * s; column += 2)
      work(spot.cell + cell, column, std::integral_constant<int, 2>());
    if (column < (cell + 1) * s)
      work(spot.cell + cell, column, std::integral_constant<int, 1>());
  }
}

// work<vectors>(first channel), four vectors at once while there are so many.
template <class T, class Work> inline void each_vectors(int64_t channels, Work work) {
  int64_t c = 0;
  for (; c + 4 * LANES<T> <= channels; c += 4 * LANES<T>)
    work(c, std::integral_constant<int, 4>());
  for (; c < channels; c += LANES<T>) work(c, std::integral_constant<int, 1>());
}

// Where a spot finds kernels and values of y: in place, or in a tile.
template <class T> class Tiles {
  const Reassembly& size;
  const Part& part;
  const Table<T> kernels, y;

public:
  Tiles(const Reassembly& size, const Part& part)
      : size(size), part(part), kernels(size.tile_cells() * size.scale_factor, size.taps()),
        y(size.tile_cells() * size.scale_factor, std::min(size.block, size.channels_of_group())) {}

  template <class M> Row<M> row_of_kernels(M* all, const Spot& spot, int64_t group) const {
    return Row<M>(all, size.kernels_channels_last, size.groups * size.taps(), size.lines(),
                  size.line(), part.image, group * size.taps(), spot.line);
  }

  template <class Y> Row<Y> row_of_y(Y* all, const Spot& spot) const {
    return Row<Y>(all, size.y_channels_last, size.channels, size.lines(), size.line(), part.image,
                  Block(size, spot.index).first, spot.line);
  }

  Columns<const T> read_kernels(const T* all, const Spot& spot, int64_t group) const {
    const Row<const T> row = row_of_kernels(all, spot, group);
    const int64_t begin = spot.cell * size.scale_factor, count = spot.cells * size.scale_factor;
    if (row.is_columns()) return row.columns(begin);
    row.read(begin, count, size.taps(), kernels.columns());
    return {kernels.columns().at, kernels.columns().step};
  }

  Columns<const T> read_y(const T* all, const Spot& spot, int64_t channels) const {
    const Row<const T> row = row_of_y(all, spot);
    const int64_t begin = spot.cell * size.scale_factor, count = spot.cells * size.scale_factor;
    if (row.is_vectors(channels)) return row.columns(begin);
    row.read_vectors(begin, count, channels, y.columns());
    return {y.columns().at, y.columns().step};
  }

  Columns<T> kernels_room() const { return kernels.columns(); }
  Columns<T> y_room() const { return y.columns(); }
};

template <class T>
void reassemble(const Reassembly& size, const T* x, const T* kernels, T* y) {
  const int64_t s = size.scale_factor, k = size.kernel_size, r = k / 2;
  const int64_t parts = size.y_channels_last ? 1 : size.blocks();
  divide(size, size.images * parts, size.height,
         [&](int64_t index, int64_t from, int64_t to) {
    const Part part(size, parts, index);
    const Tiles<T> tiles(size, part);
    Window<T> window(size, part);
    for (int64_t row = from - r; row < from + r; ++row) window.read(x, row);
    for (int64_t row = from; row < to; ++row) {
      window.read(x, row + r);
      const Taps taps = window.taps(row, 0, k);
      Columns<const T> weights = {};
      each_spot(size, part, row, [&](const Spot& spot, const Block& block, const Spot& next) {
        if (spot.index == part.from || block.number == 0)
          weights = tiles.read_kernels(kernels, spot, block.group);
        const Row<T> out = tiles.row_of_y(y, spot);
        const bool in_place = out.is_vectors(block.channels);
        const Columns<T> values = in_place ? out.columns(spot.cell * s) : tiles.y_room();
        each_place(size, spot, next, tiles.row_of_y(y, next),
                   [&](int64_t cell, int64_t column, auto places) {
          each_vectors<T>(whole_vectors<T>(block.channels), [&](int64_t c, auto vectors) {
            reassemble_vectors<places(), vectors()>(window.corner(spot.index, cell) + c, taps,
                                                    weights.from(column), values.from(column, c));
          });
        });
        if (!in_place) out.write(spot.cell * s, spot.cells * s, block.channels, values);
      });
    }
  });
}

template <class T> void scores(const Reassembly& size, const T* x, const T* y, T* kernels) {
  const int64_t s = size.scale_factor, k = size.kernel_size, r = k / 2;
  divide(size, size.images * size.groups, size.height,
         [&](int64_t index, int64_t from, int64_t to) {
    const Part part(size, size.groups, index);
    const Tiles<T> tiles(size, part);
    Window<T> window(size, part);
    for (int64_t row = from - r; row < from + r; ++row) window.read(x, row);
    for (int64_t row = from; row < to; ++row) {
      window.read(x, row + r);
      const Taps taps = window.taps(row, 0, k);
      const Columns<T> sums = tiles.kernels_room();
      each_spot(size, part, row, [&](const Spot& spot, const Block& block, const Spot& next) {
        if (spot.index == part.from)
          std::fill(sums.at, sums.from(spot.cells * s).at, T(0));
        const Columns<const T> values = tiles.read_y(y, spot, block.channels);
        each_place(size, spot, next, tiles.row_of_y(y, next),
                   [&](int64_t cell, int64_t column, auto places) {
          score_cell<places()>(window.corner(spot.index, cell), taps, values.from(column),
                               whole_vectors<T>(block.channels), sums.from(column));
        });
        if (spot.index == part.to - 1)
          tiles.row_of_kernels(kernels, spot, block.group)
              .write(spot.cell * s, spot.cells * s, size.taps(), sums);
      });
    }
  });
}

// A thread has rows of pixels of its own, and meets the cells around them.
template <class T>
void spread(const Reassembly& size, const T* kernels, const T* y, T* x) {
  const int64_t k = size.kernel_size, r = k / 2;
  const int64_t parts = size.y_channels_last ? 1 : size.blocks();
  divide(size, size.images * parts, size.height,
         [&](int64_t index, int64_t from, int64_t to) {
    const Part part(size, parts, index);
    const Tiles<T> tiles(size, part);
    Window<T> window(size, part);
    for (int64_t row = from - r; row < to + r; ++row) {
      window.clear(row + r);
      if (row >= 0 && row < size.height) {
        const Taps taps = window.taps(row, std::max<int64_t>(0, from - row + r),
                                      std::min(k, to - row + r));
        Columns<const T> weights = {};
        each_spot(size, part, row, [&](const Spot& spot, const Block& block, const Spot& next) {
          if (spot.index == part.from || block.number == 0)
            weights = tiles.read_kernels(kernels, spot, block.group);
          const Columns<const T> values = tiles.read_y(y, spot, block.channels);
          each_place(size, spot, next, tiles.row_of_y(y, next),
                     [&](int64_t cell, int64_t column, auto places) {
            each_vectors<T>(whole_vectors<T>(block.channels), [&](int64_t c, auto vectors) {
              spread_vectors<places(), vectors()>(weights.from(column), values.from(column, c),
                                                  taps, window.corner(spot.index, cell) + c);
            });
          });
        });
      }
      if (row - r >= from) window.write(x, row - r);
    }
  });
}

}  // namespace
}  // namespace mmdyup

#define EXPORT(T, name)                                                                          \
  extern "C" void mmdyup_reassemble_##name(const mmdyup::Reassembly* size, const T* x,           \
                                           const T* kernels, T* y) {                             \
    mmdyup::reassemble(*size, x, kernels, y);                                                    \
  }                                                                                              \
  extern "C" void mmdyup_scores_##name(const mmdyup::Reassembly* size, const T* x, const T* y,   \
                                       T* kernels) {                                             \
    mmdyup::scores(*size, x, y, kernels);                                                        \
  }                                                                                              \
  extern "C" void mmdyup_spread_##name(const mmdyup::Reassembly* size, const T* kernels,         \
                                       const T* y, T* x) {                                       \
    mmdyup::spread(*size, kernels, y, x);                                                        \
  }

EXPORT(float, float32)
EXPORT(double, float64)
