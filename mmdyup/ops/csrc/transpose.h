#pragma once

#include "vectors.h"

namespace mmdyup {

typedef VectorOf<float, 4>::Type Four;

template <int a, int b, int c, int d> inline Four pick(Four first, Four second) {
#ifdef __clang__
  return __builtin_shufflevector(first, second, a, b, c, d);
#else
  return __builtin_shuffle(first, second, VectorOf<int32_t, 4>::Type{a, b, c, d});
#endif
}

inline void transpose_four(const float* from, int64_t from_step, float* to, int64_t to_step) {
  Four row[4], half[4];
  for (int i = 0; i < 4; ++i) std::memcpy(&row[i], from + i * from_step, sizeof(Four));
  for (int i = 0; i < 2; ++i) {
    half[2 * i] = pick<0, 4, 1, 5>(row[2 * i], row[2 * i + 1]);
    half[2 * i + 1] = pick<2, 6, 3, 7>(row[2 * i], row[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    row[2 * i] = pick<0, 1, 4, 5>(half[i], half[2 + i]);
    row[2 * i + 1] = pick<2, 3, 6, 7>(half[i], half[2 + i]);
  }
  for (int i = 0; i < 4; ++i) std::memcpy(to + i * to_step, &row[i], sizeof(Four));
}

template <class T>
inline void transpose_plainly(const T* from, int64_t from_step, T* to, int64_t to_step,
                              int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) to[j * to_step + i] = from[i * from_step + j];
}

// to[j][i] = from[i][j]; steps are from row to row.
inline void transpose(const float* from, int64_t from_step, float* to, int64_t to_step,
                      int64_t rows, int64_t columns) {
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (int64_t i = 0; i < whole_rows; i += 4) {
    for (int64_t j = 0; j < whole_columns; j += 4)
      transpose_four(from + i * from_step + j, from_step, to + j * to_step + i, to_step);
    transpose_plainly(from + i * from_step + whole_columns, from_step,
                      to + whole_columns * to_step + i, to_step, 4, columns - whole_columns);
  }
  transpose_plainly(from + whole_rows * from_step, from_step, to + whole_rows, to_step,
                    rows - whole_rows, columns);
}

inline void transpose(const double* from, int64_t from_step, double* to, int64_t to_step,
                      int64_t rows, int64_t columns) {
  transpose_plainly(from, from_step, to, to_step, rows, columns);
}

}  // namespace mmdyup
