// Copies between maps that have the channels of a pixel side by side and maps that have its row.
#pragma once

#include "vectors.h"

namespace mmdyup {

inline void transpose_four(const float* from, int64_t from_step, float* to, int64_t to_step) {
  Four row[4], half[4];
  for (int i = 0; i < 4; ++i) std::memcpy(&row[i], from + i * from_step, sizeof(row[i]));
  for (int i = 0; i < 2; ++i) {
    half[2 * i] = pick<0, 4, 1, 5>(row[2 * i], row[2 * i + 1]);
    half[2 * i + 1] = pick<2, 6, 3, 7>(row[2 * i], row[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    row[2 * i] = pick<0, 1, 4, 5>(half[i], half[2 + i]);
    row[2 * i + 1] = pick<2, 3, 6, 7>(half[i], half[2 + i]);
  }
  for (int i = 0; i < 4; ++i) std::memcpy(to + i * to_step, &row[i], sizeof(row[i]));
}

inline void transpose_four(const double* from, int64_t from_step, double* to, int64_t to_step) {
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < 4; ++j) to[j * to_step + i] = from[i * from_step + j];
}

// to[j][i] = from[i][j]; steps are from row to row.
template <class T>
void transpose(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t rows,
               int64_t columns) {
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  // rows far apart meet in one place of the cache: each is done before the next one begins
  if (from_step > to_step)
    for (int64_t i = 0; i < whole_rows; i += 4)
      for (int64_t j = 0; j < whole_columns; j += 4)
        transpose_four(from + i * from_step + j, from_step, to + j * to_step + i, to_step);
  else
    for (int64_t j = 0; j < whole_columns; j += 4)
      for (int64_t i = 0; i < whole_rows; i += 4)
        transpose_four(from + i * from_step + j, from_step, to + j * to_step + i, to_step);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j)
      to[j * to_step + i] = from[i * from_step + j];
}

}  // namespace mmdyup
