// Vectors of numbers, for every compiler and processor: what a processor lacks, compilers split.
#pragma once

#include <cstdint>
#include <cstring>

// Before a loop that may be made of vectors though its pointers could overlap.
#ifdef __clang__
#define VECTORS _Pragma("clang loop vectorize(assume_safety)")
#else
#define VECTORS _Pragma("GCC ivdep")
#endif

namespace mmdyup {

template <class T, int64_t count> struct VectorOf {
  typedef T Type __attribute__((vector_size(count * sizeof(T))));
};

template <class T> constexpr int64_t LANES = 32 / sizeof(T);
template <class T> using Vector = typename VectorOf<T, LANES<T>>::Type;

template <class T> inline Vector<T> load(const T* from) {
  Vector<T> vector;
  std::memcpy(&vector, from, sizeof(vector));
  return vector;
}

template <class T> inline void store(T* to, Vector<T> vector) {
  std::memcpy(to, &vector, sizeof(vector));
}

template <class T> inline T sum(Vector<T> vector) {
  T total = 0;
  for (int64_t i = 0; i < LANES<T>; ++i) total += vector[i];
  return total;
}

// Has the processor fetch what it cannot foresee to be read next: so many values a few steps on.
template <class T> inline void fetch_ahead(const T* at, int64_t step, int64_t values) {
  constexpr int64_t STEPS = 6, CACHE_LINE = 64 / sizeof(T);
  for (int64_t i = 0; i < values; i += CACHE_LINE) __builtin_prefetch(at + STEPS * step + i);
}

}  // namespace mmdyup
