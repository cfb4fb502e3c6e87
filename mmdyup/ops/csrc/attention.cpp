// Attention over sampled points, and its gradients: see mmdyup/ops/attention.
//
// x is the feature whose points are sampled, y the map at the upsampled size. As in sampling.cpp a
// sample is the weighted sum of four pixels, whose channels must lie side by side: x is copied to
// tables, one a block, each with a pixel of zeros for what is outside.
#include "maps.h"

namespace mmdyup {
namespace {

// How many columns ahead of the work the processor fetches what lies side by side.
constexpr int64_t AHEAD = 4;

template <class T> Columns<T> table_of(const Attention& size, T* tables, int64_t unit) {
  const int64_t step = whole_vectors<T>(std::min(size.block, size.channels_of_group()));
  return {tables + unit * (size.pixels() + 1) * step, step};
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

// Where the points of a group lie, for the columns of a tile: in rows of columns, one after the
// other for each point.
template <class T> class Points {
  const Attention& size;
  std::unique_ptr<int32_t[]> pixels;
  std::unique_ptr<T[]> numbers, pairs;

public:
  explicit Points(const Attention& size)
      : size(size), pixels(new int32_t[4 * size.points * TILE]),
        numbers(new T[6 * size.points * TILE]), pairs(new T[2 * size.points * TILE]) {}

  // The four around a point: northwest, northeast, southwest, southeast.
  int32_t* pixel(int64_t point, int64_t corner) const {
    return pixels.get() + (4 * point + corner) * TILE;
  }
  // Their weights, then how far the point is from the northwest along the width and the height.
  T* weight(int64_t point, int64_t corner) const {
    return numbers.get() + (6 * point + corner) * TILE;
  }

  void find(const Row<const T>& positions, int64_t begin, int32_t count) const {
    const int32_t width = int32_t(size.width), height = int32_t(size.height);
    const int32_t outside = int32_t(size.pixels());
    const T* rows = positions.at + begin * positions.column;
    int64_t step = positions.channel;
    if (positions.is_columns()) {
      transpose(rows, positions.column, pairs.get(), TILE, count, 2 * size.points);
      rows = pairs.get();
      step = TILE;
    }
    for (int64_t point = 0; point < size.points; ++point) {
      const T *x = rows + 2 * point * step, *y = x + step;
      int32_t *nw = pixel(point, 0), *ne = pixel(point, 1);
      int32_t *sw = pixel(point, 2), *se = pixel(point, 3);
      T *by_nw = weight(point, 0), *by_ne = weight(point, 1);
      T *by_sw = weight(point, 2), *by_se = weight(point, 3);
      T *by_x = weight(point, 4), *by_y = weight(point, 5);
      VECTORS
      for (int32_t n = 0; n < count; ++n) {
        // what is not a number is not above −2 either, and outside
        const T above_x = x[n] > -2 ? x[n] : T(-2);
        const T above_y = y[n] > -2 ? y[n] : T(-2);
        const T near_x = above_x < T(width) ? above_x : T(width);
        const T near_y = above_y < T(height) ? above_y : T(height);
        int32_t west = int32_t(near_x), north = int32_t(near_y);
        west -= T(west) > near_x ? 1 : 0;
        north -= T(north) > near_y ? 1 : 0;
        const T right = near_x - T(west), down = near_y - T(north), both = right * down;
        const bool has_west = west >= 0 && west < width, has_east = west >= -1 && west < width - 1;
        const bool has_north = north >= 0 && north < height;
        const bool has_south = north >= -1 && north < height - 1;
        const int32_t first = north * width + west;
        nw[n] = has_north && has_west ? first : outside;
        ne[n] = has_north && has_east ? first + 1 : outside;
        sw[n] = has_south && has_west ? first + width : outside;
        se[n] = has_south && has_east ? first + width + 1 : outside;
        by_nw[n] = 1 - right - (down - both);
        by_ne[n] = right - both;
        by_sw[n] = down - both;
        by_se[n] = both;
        by_x[n] = right;
        by_y[n] = down;
      }
    }
  }
};

// work(begin, count) for the tiles of a line.
template <class Work> inline void each_tile(const Attention& size, Work work) {
  for (int64_t begin = 0; begin < size.line(); begin += TILE)
    work(begin, std::min(TILE, size.line() - begin));
}

// work(column) for the columns of a tile. Meanwhile the processor fetches what comes next of a row of
// y, beyond the line's end too: there the next one begins.
template <class Y, class Work>
inline void each_column(const Row<Y>& y, int64_t begin, int64_t count, int64_t channels,
                        Work work) {
  for (int64_t n = 0; n < count; ++n) {
    if (y.is_columns()) fetch(y.columns(begin + n + AHEAD).at, channels);
    else y.fetch_share(begin + count, count, channels, n, count);
    work(n);
  }
}

// Columns of a row: in place where they lie side by side, else in `room`.
template <class T>
Columns<const T> read_columns(const Row<const T>& row, int64_t begin, int64_t count,
                              int64_t channels, const Table<T>& room) {
  if (row.is_columns()) return row.columns(begin);
  row.read(begin, count, channels, room.columns());
  return {room.columns().at, room.columns().step};
}

// Likewise, where whole vectors are wanted.
template <class T>
Columns<const T> read_vectors(const Row<const T>& row, int64_t begin, int64_t count,
                              int64_t channels, const Table<T>& room) {
  if (row.is_vectors(channels)) return row.columns(begin);
  row.read_vectors(begin, count, channels, room.columns());
  return {room.columns().at, room.columns().step};
}

template <class T> void fill_tables(const Attention& size, const T* x, T* tables) {
  divide(size, size.images * size.blocks(), size.height,
         [&](int64_t unit, int64_t from, int64_t to) {
    const Block block(size, unit % size.blocks());
    const Columns<T> table = table_of(size, tables, unit);
    for (int64_t row = from; row < to; ++row)
      row_of_x(size, x, unit / size.blocks(), block, row)
          .read_vectors(0, size.width, block.channels, table.from(row * size.width));
    if (to == size.height) std::fill_n(table.from(size.pixels()).at, table.step, T(0));
  });
}

template <int vectors, class T>
inline void collect_vectors(const T* const* pixels, const T* weights, int64_t count, int64_t c,
                            T* y) {
  Vector<T> sums[vectors] = {};
  for (int64_t i = 0; i < count; ++i)
    for (int v = 0; v < vectors; ++v)
      sums[v] += weights[i] * load(pixels[i] + c + v * LANES<T>);
  for (int v = 0; v < vectors; ++v) store(y + c + v * LANES<T>, sums[v]);
}

template <class T>
inline void collect_column(const T* const* pixels, const T* weights, int64_t count,
                           int64_t channels, T* y) {
  int64_t c = 0;
  for (; c + 8 * LANES<T> <= channels; c += 8 * LANES<T>)
    collect_vectors<8>(pixels, weights, count, c, y);
  for (; c + 4 * LANES<T> <= channels; c += 4 * LANES<T>)
    collect_vectors<4>(pixels, weights, count, c, y);
  for (; c < channels; c += LANES<T>) collect_vectors<1>(pixels, weights, count, c, y);
}

template <class T>
void collect(const Attention& size, const T* x, const T* weights, const T* positions, T* tables,
             T* y) {
  fill_tables(size, x, tables);
  divide(size, size.images * size.blocks(), size.lines(),
         [&](int64_t unit, int64_t from, int64_t to) {
    const int64_t image = unit / size.blocks(), count_of_pixels = 4 * size.points;
    const Block block(size, unit % size.blocks());
    const int64_t channels = whole_vectors<T>(block.channels);
    const Columns<T> table = table_of(size, tables, unit);
    const Points<T> points(size);
    const Table<T> tile_of_weights(TILE, size.points), tile_of_y(TILE, block.channels);
    const std::unique_ptr<const T*[]> pixels(new const T*[count_of_pixels]);
    const std::unique_ptr<T[]> factors(new T[count_of_pixels]);
    for (int64_t line = from; line < to; ++line)
      each_tile(size, [&](int64_t begin, int64_t count) {
        points.find(row_of_positions(size, positions, image, block.group, line), begin,
                    int32_t(count));
        const Columns<const T> shares =
            read_columns(row_of_weights(size, weights, image, size.head_of(block.group), line),
                         begin, count, size.points, tile_of_weights);
        const Row<T> row = row_of_y(size, y, image, block, line);
        const bool in_place = row.is_vectors(block.channels);
        const Columns<T> out = in_place ? row.columns(begin) : tile_of_y.columns();
        each_column(row, begin, count, block.channels, [&](int64_t n) {
          for (int64_t point = 0; point < size.points; ++point)
            for (int64_t corner = 0; corner < 4; ++corner) {
              pixels[4 * point + corner] = table.from(points.pixel(point, corner)[n]).at;
              factors[4 * point + corner] =
                  shares.from(n).at[point] * points.weight(point, corner)[n];
            }
          collect_column<T>(pixels.get(), factors.get(), count_of_pixels, channels,
                            out.from(n).at);
        });
        if (!in_place) row.write(begin, count, block.channels, out);
      });
  });
}

// The products of a column of y with the four pixels of a point.
template <class T>
inline void multiply(const T* const* pixels, const T* y, int64_t channels, T* sums) {
  const T *nw = pixels[0], *ne = pixels[1], *sw = pixels[2], *se = pixels[3];
  Vector<T> products[4] = {};
  for (int64_t c = 0; c < channels; c += LANES<T>) {
    const Vector<T> values = load_to_register(y + c);
    products[0] += values * load(nw + c);
    products[1] += values * load(ne + c);
    products[2] += values * load(sw + c);
    products[3] += values * load(se + c);
  }
  sum_four(products, sums);
}

// The same, and adds to the gradients of the four pixels. Not inline, or compilers run out of
// registers.
template <class T>
__attribute__((noinline)) void multiply_and_spread(const T* const* pixels, T* const* grads,
                                                   const T* weights, const T* y, int64_t channels,
                                                   T* sums) {
  const T *nw = pixels[0], *ne = pixels[1], *sw = pixels[2], *se = pixels[3];
  T *grad_nw = grads[0], *grad_ne = grads[1], *grad_sw = grads[2], *grad_se = grads[3];
  const T by_nw = weights[0], by_ne = weights[1], by_sw = weights[2], by_se = weights[3];
  Vector<T> products[4] = {};
  for (int64_t c = 0; c < channels; c += LANES<T>) {
    const Vector<T> values = load_to_register(y + c);
    products[0] += values * load(nw + c);
    products[1] += values * load(ne + c);
    products[2] += values * load(sw + c);
    products[3] += values * load(se + c);
    store(grad_nw + c, load(grad_nw + c) + by_nw * values);
    store(grad_ne + c, load(grad_ne + c) + by_ne * values);
    store(grad_sw + c, load(grad_sw + c) + by_sw * values);
    store(grad_se + c, load(grad_se + c) + by_se * values);
  }
  sum_four(products, sums);
}

template <class T>
void compare(const Attention& size, const T* y, const T* x, const T* positions, T* tables,
             T* logits) {
  fill_tables(size, x, tables);
  const int64_t blocks_of_head = size.blocks() / size.heads;
  divide(size, size.images * size.heads, size.lines(),
         [&](int64_t unit, int64_t from, int64_t to) {
    const int64_t image = unit / size.heads, head = unit % size.heads;
    const Points<T> points(size);
    const Table<T> tile_of_y(TILE, std::min(size.block, size.channels_of_group()));
    const Table<T> tile_of_logits(TILE, size.points);
    const Columns<T> sums = tile_of_logits.columns();
    for (int64_t line = from; line < to; ++line)
      each_tile(size, [&](int64_t begin, int64_t count) {
        std::fill(sums.at, sums.from(count).at, T(0));
        for (int64_t index = head * blocks_of_head; index < (head + 1) * blocks_of_head; ++index) {
          const Block block(size, index);
          const Columns<T> table = table_of(size, tables, image * size.blocks() + index);
          if (block.number == 0)
            points.find(row_of_positions(size, positions, image, block.group, line), begin,
                        int32_t(count));
          const Row<const T> row = row_of_y(size, y, image, block, line);
          const Columns<const T> in =
              read_vectors(row, begin, count, block.channels, tile_of_y);
          const int64_t channels = whole_vectors<T>(block.channels);
          each_column(row, begin, count, block.channels, [&](int64_t n) {
            for (int64_t point = 0; point < size.points; ++point) {
              const T* pixels[4];
              T products[4];
              for (int64_t corner = 0; corner < 4; ++corner)
                pixels[corner] = table.from(points.pixel(point, corner)[n]).at;
              multiply<T>(pixels, in.from(n).at, channels, products);
              for (int64_t corner = 0; corner < 4; ++corner)
                sums.from(n).at[point] += products[corner] * points.weight(point, corner)[n];
            }
          });
        }
        row_of_weights(size, logits, image, head, line).write(begin, count, size.points, sums);
      });
  });
}

// Threads divide blocks. Each of a group's blocks makes a share of the gradient of its positions,
// and each of a head's one of the gradient of its weights.
template <class T>
void collect_backward(const Attention& size, const T* x, const T* weights, const T* positions,
                      const T* y, T* tables, T* grad_tables, T* grad_x, T* grad_weights,
                      T* grad_positions) {
  fill_tables(size, x, tables);
  const int64_t blocks_of_head = size.blocks() / size.heads;
  const int64_t of_weights = size.images * size.heads * size.points * size.positions();
  const int64_t of_positions = 2 * size.images * size.groups * size.points * size.positions();
  divide(size, size.images * size.blocks(), 1, [&](int64_t unit, int64_t, int64_t) {
    const int64_t image = unit / size.blocks(), index = unit % size.blocks();
    const Block block(size, index);
    const int64_t head = size.head_of(block.group), channels = whole_vectors<T>(block.channels);
    const Columns<T> table = table_of(size, tables, unit);
    const Columns<T> grad_table = table_of(size, grad_tables, unit);
    std::fill(grad_table.at, grad_table.from(size.pixels() + 1).at, T(0));
    T* share_of_weights = grad_weights + index % blocks_of_head * of_weights;
    T* share_of_positions = grad_positions + block.number * of_positions;
    const Points<T> points(size);
    const Table<T> tile_of_y(TILE, block.channels), tile_of_weights(TILE, size.points);
    const Table<T> to_weights(TILE, size.points), to_positions(TILE, 2 * size.points);
    for (int64_t line = 0; line < size.lines(); ++line)
      each_tile(size, [&](int64_t begin, int64_t count) {
        points.find(row_of_positions(size, positions, image, block.group, line), begin,
                    int32_t(count));
        const Columns<const T> shares =
            read_columns(row_of_weights(size, weights, image, head, line), begin, count,
                         size.points, tile_of_weights);
        const Row<const T> row = row_of_y(size, y, image, block, line);
        const Columns<const T> in = read_vectors(row, begin, count, block.channels, tile_of_y);
        each_column(row, begin, count, block.channels, [&](int64_t n) {
          for (int64_t point = 0; point < size.points; ++point) {
            const T* pixels[4];
            T *grads[4], factors[4], sums[4];
            const T share = shares.from(n).at[point];
            for (int64_t corner = 0; corner < 4; ++corner) {
              const int64_t pixel = points.pixel(point, corner)[n];
              pixels[corner] = table.from(pixel).at;
              grads[corner] = grad_table.from(pixel).at;
              factors[corner] = share * points.weight(point, corner)[n];
            }
            multiply_and_spread<T>(pixels, grads, factors, in.from(n).at, channels, sums);
            T sample = 0;
            for (int64_t corner = 0; corner < 4; ++corner)
              sample += sums[corner] * points.weight(point, corner)[n];
            const T right = points.weight(point, 4)[n], down = points.weight(point, 5)[n];
            to_weights.columns().from(n).at[point] = sample;
            T* of_position = to_positions.columns().from(n, 2 * point).at;
            of_position[0] =
                share * ((1 - down) * (sums[1] - sums[0]) + down * (sums[3] - sums[2]));
            of_position[1] =
                share * ((1 - right) * (sums[2] - sums[0]) + right * (sums[3] - sums[1]));
          }
        });
        row_of_weights(size, share_of_weights, image, head, line)
            .write(begin, count, size.points, to_weights.columns());
        row_of_positions(size, share_of_positions, image, block.group, line)
            .write(begin, count, 2 * size.points, to_positions.columns());
      });
    for (int64_t row = 0; row < size.height; ++row)
      row_of_x(size, grad_x, image, block, row)
          .write(0, size.width, block.channels, grad_table.from(row * size.width));
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
      const T* grad_y, T* tables, T* grad_tables, T* grad_value, T* grad_weights,                \
      T* grad_positions) {                                                                       \
    mmdyup::collect_backward(*size, value, weights, positions, grad_y, tables, grad_tables,      \
                             grad_value, grad_weights, grad_positions);                          \
  }

EXPORT(float, float32)
EXPORT(double, float64)
