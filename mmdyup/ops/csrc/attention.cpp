// Attention over sampled points, and its gradients: see mmdyup/ops/attention.
//
// x is the feature whose points are sampled, y the map at the upsampled size. As in sampling.cpp a
// sample is the weighted sum of four pixels, whose channels must lie side by side: x is copied to
// tables, one a block. The points of a position lie close to each other, as a rule, and share
// pixels; each of these is worked on once.
#include "maps.h"

namespace mmdyup {
namespace {

// How many columns ahead of the work the processor fetches what lies side by side.
constexpr int64_t AHEAD = 4;

// A table has zeros around the map, for points outside: two rows above and below it, and two pixels
// after every row, which are also those before the next one.
int64_t row_of_table(const Attention& size) { return size.width + 2; }
int64_t pixels_of_table(const Attention& size) {
  return (size.height + 4) * row_of_table(size) + 2;
}

template <class T> Columns<T> table_of(const Attention& size, T* tables, int64_t unit) {
  const int64_t step = whole_vectors<T>(std::min(size.block, size.channels_of_group()));
  return {tables + unit * pixels_of_table(size) * step, step};
}

// Its pixels from where a row of the map begins.
template <class T> Columns<T> from_row(const Attention& size, Columns<T> table, int64_t row) {
  return table.from((row + 2) * row_of_table(size) + 2);
}

template <class T>
Row<T> row_of_x(const Attention& size, T* x, int64_t image, const Block& block, int64_t row) {
  return Row<T>(x, size.x_channels_last, size.channels, size.height, size.width, image,
                block.first, row);
}

template <class T>
Row<T> row_of_y(const Attention& size, T* y, int64_t image, const Block& block, int64_t line) {
  return Row<T>(y, size.y_channels_last, size.channels, size.lines(), size.line(), image,
                block.first, line);
}

template <class T>
Row<T> row_of_weights(const Attention& size, T* weights, int64_t image, int64_t head,
                      int64_t line) {
  return Row<T>(weights, size.weights_channels_last, size.heads * size.points, size.lines(),
                size.line(), image, head * size.points, line);
}

template <class T>
Row<T> row_of_positions(const Attention& size, T* positions, int64_t image, int64_t group,
                        int64_t line) {
  return Row<T>(positions, size.positions_channels_last, 2 * size.groups * size.points,
                size.lines(), size.line(), image, 2 * group * size.points, line);
}

// A window of a table has so many rows and columns. Its pixels are numbered row by row, and known
// by the bits of a number.
constexpr int32_t SIDE = 8;
constexpr int64_t CELLS = SIDE * SIDE;
constexpr uint64_t FOUR_AROUND = 3 | 3 << SIDE;

// Where the points of a group lie, for the columns of a tile: in rows of columns, one after the
// other for each point.
template <class T> class Points {
  const Attention& size;
  std::unique_ptr<int32_t[]> integers;
  std::unique_ptr<T[]> numbers, room;

  int32_t* row(int64_t index) const { return integers.get() + index * TILE; }
  // The northwest one of the four pixels around a point, in a table.
  int32_t* pixel(int64_t point) const { return row(2 * point); }
  // Of the smallest window around all points, and whether there is one.
  int32_t* corner() const { return row(2 * size.points); }
  int32_t* is_window() const { return row(2 * size.points + 1); }
  // How far the point is from its northwest pixel, along the width and the height.
  T* right(int64_t point) const { return numbers.get() + 6 * point * TILE; }
  T* down(int64_t point) const { return right(point) + TILE; }

public:
  explicit Points(const Attention& size)
      : size(size), integers(new int32_t[(2 * size.points + 6) * TILE]),
        numbers(new T[6 * size.points * TILE]), room(new T[2 * size.points * TILE]) {}

  // The northwest pixel in the window that the point is worked on in.
  int32_t* cell(int64_t point) const { return row(2 * point + 1); }
  // What belongs to the four: northwest, northeast, southwest, southeast.
  T* four(int64_t point) const { return numbers.get() + (6 * point + 2) * TILE; }

  // work(from, to, corner) for the points of a column that share a window, and its northwest pixel.
  template <class Work> ALWAYS_INLINE void each_window(int64_t n, Work work) const {
    const int64_t together = is_window()[n] ? size.points : 1;
    for (int64_t point = 0; point < size.points; point += together)
      work(point, point + together, is_window()[n] ? corner()[n] : pixel(point)[n]);
  }

  void find(const Row<const T>& positions, int64_t begin, int64_t count) const {
    const Lines<const T> lines = positions.lines(begin, count, 2 * size.points, room.get());
    int32_t* extremes[4];
    for (int i = 0; i < 4; ++i) extremes[i] = row(2 * size.points + 2 + i);
    for (int64_t point = 0; point < size.points; ++point) {
      const bool is_first = point == 0;
      find_along(lines[2 * point], size.width, count, is_first, pixel(point), right(point),
                 extremes);
      find_along(lines[2 * point + 1], size.height, count, is_first, cell(point), down(point),
                 extremes + 2);
    }
    const int32_t row_step = int32_t(row_of_table(size));
    const int32_t *west = extremes[0], *east = extremes[1];
    const int32_t *north = extremes[2], *south = extremes[3];
    int32_t *to_corner = corner(), *to_is_window = is_window();
    VECTORS
    for (int64_t n = 0; n < count; ++n) {
      to_corner[n] = (north[n] + 2) * row_step + west[n] + 2;
      // the four around a point are in it too
      const int32_t is_narrow = east[n] - west[n] < SIDE - 1 ? 1 : 0;
      const int32_t is_low = south[n] - north[n] < SIDE - 1 ? 1 : 0;
      to_is_window[n] = is_narrow & is_low;
    }
    for (int64_t point = 0; point < size.points; ++point) {
      int32_t *columns = pixel(point), *rows_then_cells = cell(point);
      VECTORS
      for (int64_t n = 0; n < count; ++n) {
        const int32_t column = columns[n], row = rows_then_cells[n];
        columns[n] = (row + 2) * row_step + column + 2;
        rows_then_cells[n] = ((row - north[n]) * SIDE + column - west[n]) * to_is_window[n];
      }
    }
  }

  // Gives each of the four its part of the point's share.
  void divide_shares(const Lines<const T>& shares, int64_t count) const {
    for (int64_t point = 0; point < size.points; ++point) {
      const T *share = shares[point], *x = right(point), *y = down(point);
      T* to = four(point);
      VECTORS
      for (int64_t n = 0; n < count; ++n) {
        const T south = share[n] * y[n], north = share[n] - south;
        const T southeast = south * x[n], northeast = north * x[n];
        to[n] = north - northeast;
        to[TILE + n] = northeast;
        to[2 * TILE + n] = south - southeast;
        to[3 * TILE + n] = southeast;
      }
    }
  }

  // Adds what the points read of the four.
  void add_samples(const Lines<T>& sums, int64_t count) const {
    for (int64_t point = 0; point < size.points; ++point) {
      const T *x = right(point), *y = down(point), *of = four(point);
      T* to = sums[point];
      VECTORS
      for (int64_t n = 0; n < count; ++n) {
        const T southeast = x[n] * y[n], northeast = x[n] - southeast, southwest = y[n] - southeast;
        to[n] += (1 - x[n] - southwest) * of[n] + northeast * of[TILE + n] +
                 southwest * of[2 * TILE + n] + southeast * of[3 * TILE + n];
      }
    }
  }

  // How a point's share of what it reads changes with its position, along the width and the height.
  void find_slopes(const Lines<const T>& shares, const Lines<T>& slopes, int64_t count) const {
    for (int64_t point = 0; point < size.points; ++point) {
      const T *share = shares[point], *x = right(point), *y = down(point), *of = four(point);
      T *along_x = slopes[2 * point], *along_y = slopes[2 * point + 1];
      VECTORS
      for (int64_t n = 0; n < count; ++n) {
        const T north = of[TILE + n] - of[n], south = of[3 * TILE + n] - of[2 * TILE + n];
        const T west = of[2 * TILE + n] - of[n], east = of[3 * TILE + n] - of[TILE + n];
        along_x[n] = share[n] * ((1 - y[n]) * north + y[n] * south);
        along_y[n] = share[n] * ((1 - x[n]) * west + x[n] * east);
      }
    }
  }

private:
  // The whole and the fractional part of positions along one axis.
  static void find_along(const T* positions, int64_t length, int64_t count, bool is_first,
                         int32_t* wholes, T* fractions, int32_t* const* extremes) {
    int32_t *least = extremes[0], *most = extremes[1];
    if (is_first) {
      std::fill_n(least, count, int32_t(length));
      std::fill_n(most, count, -2);
    }
    VECTORS
    for (int64_t n = 0; n < count; ++n) {
      const T position = positions[n];
      // what is not a number is not above −2 either, and outside
      const T above = position > -2 ? position : T(-2);
      const T near = above < T(length) ? above : T(length);
      const int32_t cut = int32_t(near), whole = cut - (T(cut) > near ? 1 : 0);
      wholes[n] = whole;
      fractions[n] = near - T(whole);
      least[n] = least[n] < whole ? least[n] : whole;
      most[n] = most[n] > whole ? most[n] : whole;
    }
  }
};

// The pixels of a window that points touch, each of them once.
template <class T> class Window {
  int64_t steps[CELLS];  // from the northwest one, in values of a table
  T values[CELLS + 1] = {};  // of the pixels; the last is no pixel's

public:
  int64_t count = 0;
  // Of the pixels: where they are in the window, where they begin in a table, and their factors.
  // Zeros of the table follow, up to a multiple of four.
  int32_t cells[CELLS];
  int64_t at[CELLS];
  T factors[CELLS];

  Window(const Attention& size, int64_t step) {
    for (int64_t cell = 0; cell < CELLS; ++cell)
      steps[cell] = (cell / SIDE * row_of_table(size) + cell % SIDE) * step;
  }

  // The factor of a pixel is the sum of what it is to the points that it is one of the four of.
  ALWAYS_INLINE void gather(const Points<T>& points, int64_t from, int64_t to, int64_t n,
                            int64_t corner) {
    for (int64_t i = 0; i < CELLS; i += LANES<T>) store(values + i, Vector<T>{});
    uint64_t touched = 0;
    for (int64_t point = from; point < to; ++point) {
      const T* of = points.four(point) + n;
      const int32_t cell = points.cell(point)[n];
      touched |= FOUR_AROUND << cell;
      values[cell] += of[0];
      values[cell + 1] += of[TILE];
      values[cell + SIDE] += of[2 * TILE];
      values[cell + SIDE + 1] += of[3 * TILE];
    }
    list(touched, corner);
  }

  // The pixels alone.
  ALWAYS_INLINE void find(const Points<T>& points, int64_t from, int64_t to, int64_t n,
                          int64_t corner) {
    uint64_t touched = 0;
    for (int64_t point = from; point < to; ++point) touched |= FOUR_AROUND << points.cell(point)[n];
    list(touched, corner);
  }

  // Gives four pixels their values.
  ALWAYS_INLINE void set(int64_t first, const T* four) {
    for (int64_t i = 0; i < 4; ++i) values[cells[first + i]] = four[i];
  }

  // Gives the four around each point their values.
  ALWAYS_INLINE void scatter(const Points<T>& points, int64_t from, int64_t to, int64_t n) const {
    for (int64_t point = from; point < to; ++point) {
      const T* of = values + points.cell(point)[n];
      T* four = points.four(point) + n;
      four[0] = of[0];
      four[TILE] = of[1];
      four[2 * TILE] = of[SIDE];
      four[3 * TILE] = of[SIDE + 1];
    }
  }

private:
  ALWAYS_INLINE void list(uint64_t touched, int64_t corner) {
    for (count = 0; touched; touched &= touched - 1, ++count) {
      const int32_t cell = __builtin_ctzll(touched);
      cells[count] = cell;
      at[count] = corner + steps[cell];
      factors[count] = values[cell];
    }
    for (int64_t i = count; i % 4; ++i) {
      cells[i] = CELLS;
      at[i] = 0;
      factors[i] = 0;
    }
  }
};

// Some columns of a line.
struct Tile {
  int64_t line, begin, count;
};

// work(tile, index of a block) for the blocks of a part, tile by tile of lines `from` to `to`: a
// tile of a map that has all of them side by side is then in a cache.
template <class Work>
inline void each_tile(const Attention& size, const Part& part, int64_t from, int64_t to,
                      Work work) {
  for (int64_t line = from; line < to; ++line)
    for (int64_t begin = 0; begin < size.line(); begin += TILE)
      for (int64_t index = part.from; index < part.to; ++index)
        work(Tile{line, begin, std::min(TILE, size.line() - begin)}, index);
}

// work(column) for the columns of a tile. Meanwhile the processor fetches what comes next of rows
// of y and of positions, beyond the line's end too: there the next one begins.
template <class Y, class P, class Work>
inline void each_column(const Attention& size, const Tile& tile, int64_t channels, const Row<Y>& y,
                        const Row<P>& positions, Work work) {
  const int64_t next = tile.begin + tile.count;
  for (int64_t n = 0; n < tile.count; ++n) {
    if (y.is_columns()) fetch(y.columns(tile.begin + n + AHEAD).at, channels);
    else y.fetch_share(next, tile.count, channels, n, tile.count);
    positions.fetch_share(next, tile.count, 2 * size.points, n, tile.count);
    work(n);
  }
}

// Columns of a row of whole vectors: in place where they lie side by side, else in `room`.
template <class T>
Columns<const T> read_vectors(const Row<const T>& row, int64_t begin, int64_t count,
                              int64_t channels, const Table<T>& room) {
  if (row.is_vectors(channels)) return row.columns(begin);
  row.read_vectors(begin, count, channels, room.columns());
  return {room.columns().at, room.columns().step};
}

template <class T> void fill_table(const Attention& size, const T* x, int64_t image,
                                   const Block& block, int64_t from, int64_t to,
                                   Columns<T> table) {
  const int64_t margin = (2 * row_of_table(size) + 2) * table.step;
  if (from == 0) std::fill_n(table.at, margin, T(0));
  for (int64_t row = from; row < to; ++row) {
    const Columns<T> pixels = from_row(size, table, row);
    row_of_x(size, x, image, block, row).read_vectors(0, size.width, block.channels, pixels);
    std::fill_n(pixels.from(size.width).at, 2 * table.step, T(0));
  }
  if (to == size.height) std::fill_n(from_row(size, table, to).at - 2 * table.step, margin, T(0));
}

template <class T> void fill_tables(const Attention& size, const T* x, T* tables) {
  divide(size, size.images * size.blocks(), size.height,
         [&](int64_t unit, int64_t from, int64_t to) {
    fill_table(size, x, unit / size.blocks(), Block(size, unit % size.blocks()), from, to,
               table_of(size, tables, unit));
  });
}

// Adds the pixels of a window, by their factors.
template <int vectors, class T>
inline void collect_vectors(const Window<T>& window, const T* table, T* y) {
  Vector<T> sums[vectors];
  for (int v = 0; v < vectors; ++v) sums[v] = load(y + v * LANES<T>);
  for (int64_t i = 0; i < window.count; ++i)
    for (int v = 0; v < vectors; ++v)
      sums[v] += window.factors[i] * load(table + window.at[i] + v * LANES<T>);
  for (int v = 0; v < vectors; ++v) store(y + v * LANES<T>, sums[v]);
}

template <class T>
inline void collect_window(const Window<T>& window, const T* table, int64_t channels, T* y) {
  int64_t c = 0;
  for (; c + 8 * LANES<T> <= channels; c += 8 * LANES<T>)
    collect_vectors<8>(window, table + c, y + c);
  for (; c + 4 * LANES<T> <= channels; c += 4 * LANES<T>)
    collect_vectors<4>(window, table + c, y + c);
  for (; c < channels; c += LANES<T>) collect_vectors<1>(window, table + c, y + c);
}

template <class T>
void collect(const Attention& size, const T* x, const T* weights, const T* positions, T* tables,
             T* y) {
  fill_tables(size, x, tables);
  const int64_t parts = size.y_channels_last ? 1 : size.blocks();
  divide(size, size.images * parts, size.lines(), [&](int64_t unit, int64_t from, int64_t to) {
    const Part part(size, parts, unit);
    const Points<T> points(size);
    const Table<T> tile_of_y(TILE, std::min(size.block, size.channels_of_group()));
    const std::unique_ptr<T[]> room(new T[size.points * TILE]);
    Window<T> window(size, table_of(size, tables, 0).step);
    each_tile(size, part, from, to, [&](const Tile& tile, int64_t index) {
      const Block block(size, index);
      const int64_t channels = whole_vectors<T>(block.channels);
      const Columns<T> table = table_of(size, tables, part.image * size.blocks() + index);
      const Row<const T> at_points =
          row_of_positions(size, positions, part.image, block.group, tile.line);
      if (block.number == 0 || index == part.from) points.find(at_points, tile.begin, tile.count);
      const Row<const T> of_weights =
          row_of_weights(size, weights, part.image, size.head_of(block.group), tile.line);
      points.divide_shares(of_weights.lines(tile.begin, tile.count, size.points, room.get()),
                           tile.count);
      const Row<T> row = row_of_y(size, y, part.image, block, tile.line);
      const bool in_place = row.is_vectors(block.channels);
      const Columns<T> out = in_place ? row.columns(tile.begin) : tile_of_y.columns();
      each_column(size, tile, block.channels, row, at_points, [&](int64_t n) {
        std::fill_n(out.from(n).at, channels, T(0));
        points.each_window(n, [&](int64_t from, int64_t to, int64_t corner) {
          window.gather(points, from, to, n, corner * table.step);
          collect_window(window, table.at, channels, out.from(n).at);
        });
      });
      if (!in_place) row.write(tile.begin, tile.count, block.channels, out);
    });
  });
}

// Makes the products of a column of y with four pixels, and adds it to the gradients of these. Not
// inline, or compilers run out of registers.
template <bool multiplies, bool spreads, class T>
__attribute__((noinline)) void go_through_four(const T* table, T* grad_table, const int64_t* at,
                                               const T* factors, const T* y, int64_t channels,
                                               T* sums) {
  const int64_t at0 = at[0], at1 = at[1], at2 = at[2], at3 = at[3];
  Vector<T> products[4] = {};
  for (int64_t c = 0; c < channels; c += LANES<T>) {
    const Vector<T> values = load_to_register(y + c);
    if constexpr (multiplies) {
      products[0] += values * load(table + at0 + c);
      products[1] += values * load(table + at1 + c);
      products[2] += values * load(table + at2 + c);
      products[3] += values * load(table + at3 + c);
    }
    if constexpr (spreads) {
      const auto add = [&](T* grad, T factor) { store(grad, load(grad) + factor * values); };
      add(grad_table + at0 + c, factors[0]);
      add(grad_table + at1 + c, factors[1]);
      add(grad_table + at2 + c, factors[2]);
      add(grad_table + at3 + c, factors[3]);
    }
  }
  if constexpr (multiplies) sum_four(products, sums);
}

template <bool multiplies, bool spreads, class T>
void go_through(Window<T>& window, const T* table, T* grad_table, const T* y, int64_t channels) {
  for (int64_t i = 0; i < window.count; i += 4) {
    T four[4];
    go_through_four<multiplies, spreads>(table, grad_table, window.at + i, window.factors + i, y,
                                         channels, four);
    if (multiplies) window.set(i, four);
  }
}

template <class T>
void compare(const Attention& size, const T* y, const T* x, const T* positions, T* tables,
             T* logits) {
  fill_tables(size, x, tables);
  const int64_t blocks_of_head = size.blocks() / size.heads;
  const int64_t parts = size.y_channels_last ? 1 : size.heads;
  divide(size, size.images * parts, size.lines(), [&](int64_t unit, int64_t from, int64_t to) {
    const Part part(size, parts, unit);
    const Points<T> points(size);
    const Table<T> tile_of_y(TILE, std::min(size.block, size.channels_of_group()));
    const std::unique_ptr<T[]> room(new T[size.points * TILE]);
    const Lines<T> sums = {room.get(), TILE};
    Window<T> window(size, table_of(size, tables, 0).step);
    each_tile(size, part, from, to, [&](const Tile& tile, int64_t index) {
      const Block block(size, index);
      const int64_t channels = whole_vectors<T>(block.channels);
      const Columns<T> table = table_of(size, tables, part.image * size.blocks() + index);
      const Row<const T> at_points =
          row_of_positions(size, positions, part.image, block.group, tile.line);
      if (block.number == 0 || index == part.from) points.find(at_points, tile.begin, tile.count);
      const Row<const T> row = row_of_y(size, y, part.image, block, tile.line);
      const Columns<const T> in =
          read_vectors(row, tile.begin, tile.count, block.channels, tile_of_y);
      each_column(size, tile, block.channels, row, at_points, [&](int64_t n) {
        points.each_window(n, [&](int64_t from, int64_t to, int64_t corner) {
          window.find(points, from, to, n, corner * table.step);
          go_through<true, false, T>(window, table.at, nullptr, in.from(n).at, channels);
          window.scatter(points, from, to, n);
        });
      });
      if (index % blocks_of_head == 0) std::fill_n(sums.at, size.points * TILE, T(0));
      points.add_samples(sums, tile.count);
      if ((index + 1) % blocks_of_head == 0)
        row_of_weights(size, logits, part.image, index / blocks_of_head, tile.line)
            .write_lines(tile.begin, tile.count, size.points, sums);
    });
  });
}

// Threads divide blocks: each has two tables for every block of its part, of x and of its gradient.
// Each of a group's blocks makes a share of the gradient of its positions, and each of a head's one
// of the gradient of its weights. What is not needed is null, and neither multiplied nor spread.
template <bool multiplies, bool spreads, class T>
void collect_backward(const Attention& size, const T* x, const T* weights, const T* positions,
                      const T* y, T* tables, T* grad_x, T* grad_weights, T* grad_positions) {
  const int64_t blocks_of_head = size.blocks() / size.heads;
  const int64_t of_weights = size.images * size.heads * size.points * size.positions();
  const int64_t of_positions = 2 * size.images * size.groups * size.points * size.positions();
  const int64_t parts =
      size.y_channels_last ? std::min(size.threads, size.blocks()) : size.blocks();
  const int64_t blocks_of_part = (size.blocks() + parts - 1) / parts;
  divide(size, size.images * parts, 1, [&](int64_t unit, int64_t, int64_t) {
    const Part part(size, parts, unit);
    const auto table_at = [&](int64_t index, int64_t which) {
      const int64_t first = omp_get_thread_num() * blocks_of_part;
      return table_of(size, tables, 2 * (first + index - part.from) + which);
    };
    for (int64_t index = part.from; index < part.to; ++index) {
      const Columns<T> table = table_at(index, 0), grad_table = table_at(index, 1);
      if (multiplies)
        fill_table(size, x, part.image, Block(size, index), 0, size.height, table);
      if (spreads) std::fill_n(grad_table.at, pixels_of_table(size) * grad_table.step, T(0));
    }
    const Points<T> points(size);
    const Table<T> tile_of_y(TILE, std::min(size.block, size.channels_of_group()));
    const std::unique_ptr<T[]> room(new T[4 * size.points * TILE]);
    const Lines<T> slopes = {room.get(), TILE}, samples = {slopes[2 * size.points], TILE};
    Window<T> window(size, table_of(size, tables, 0).step);
    each_tile(size, part, 0, size.lines(), [&](const Tile& tile, int64_t index) {
      const Block block(size, index);
      const int64_t head = size.head_of(block.group), channels = whole_vectors<T>(block.channels);
      const Columns<T> table = table_at(index, 0), grad_table = table_at(index, 1);
      const Row<const T> at_points =
          row_of_positions(size, positions, part.image, block.group, tile.line);
      if (block.number == 0 || index == part.from) points.find(at_points, tile.begin, tile.count);
      const Lines<const T> shares =
          row_of_weights(size, weights, part.image, head, tile.line)
              .lines(tile.begin, tile.count, size.points, samples[size.points]);
      points.divide_shares(shares, tile.count);
      const Row<const T> row = row_of_y(size, y, part.image, block, tile.line);
      const Columns<const T> in =
          read_vectors(row, tile.begin, tile.count, block.channels, tile_of_y);
      each_column(size, tile, block.channels, row, at_points, [&](int64_t n) {
        points.each_window(n, [&](int64_t from, int64_t to, int64_t corner) {
          window.gather(points, from, to, n, corner * table.step);
          go_through<multiplies, spreads, T>(window, table.at, grad_table.at, in.from(n).at,
                                             channels);
          if (multiplies) window.scatter(points, from, to, n);
        });
      });
      if (grad_weights) {
        T* share = grad_weights + index % blocks_of_head * of_weights;
        std::fill_n(samples.at, size.points * TILE, T(0));
        points.add_samples(samples, tile.count);
        row_of_weights(size, share, part.image, head, tile.line)
            .write_lines(tile.begin, tile.count, size.points, samples);
      }
      if (grad_positions) {
        T* share = grad_positions + block.number * of_positions;
        points.find_slopes(shares, slopes, tile.count);
        row_of_positions(size, share, part.image, block.group, tile.line)
            .write_lines(tile.begin, tile.count, 2 * size.points, slopes);
      }
    });
    for (int64_t index = part.from; spreads && index < part.to; ++index)
      for (int64_t row = 0; row < size.height; ++row) {
        const Block block(size, index);
        row_of_x(size, grad_x, part.image, block, row)
            .write(0, size.width, block.channels, from_row(size, table_at(index, 1), row));
      }
  });
}

}  // namespace
}  // namespace mmdyup

#define EXPORT(T, name)                                                                          \
  extern "C" void mmdyup_compare_##name(const mmdyup::Attention* size, const T* query,           \
                                        const T* key, const T* positions, T* tables,             \
                                        T* logits) {                                             \
    mmdyup::compare(*size, query, key, positions, tables, logits);                               \
  }                                                                                              \
  extern "C" void mmdyup_collect_##name(const mmdyup::Attention* size, const T* value,           \
                                        const T* weights, const T* positions, T* tables, T* y) { \
    mmdyup::collect(*size, value, weights, positions, tables, y);                                \
  }                                                                                              \
  extern "C" void mmdyup_collect_backward_##name(                                                \
      const mmdyup::Attention* size, const T* value, const T* weights, const T* positions,       \
      const T* grad_y, T* tables, T* grad_value, T* grad_weights, T* grad_positions) {           \
    mmdyup::choose(grad_weights || grad_positions, grad_value, [&](auto products, auto spread) { \
      mmdyup::collect_backward<products.value, spread.value>(*size, value, weights, positions,   \
                                                             grad_y, tables, grad_value,         \
                                                             grad_weights, grad_positions);      \
    });                                                                                          \
  }

EXPORT(float, float32)
EXPORT(double, float64)
