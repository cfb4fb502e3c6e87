// Vectors of numbers, for every compiler and processor, as long as its registers.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

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

#ifdef __AVX__
constexpr int64_t VECTOR_BYTES = 32;
#else
constexpr int64_t VECTOR_BYTES = 16;
#endif
template <class T> constexpr int64_t LANES = VECTOR_BYTES / sizeof(T);
template <class T> using Vector = typename VectorOf<T, LANES<T>>::Type;
typedef VectorOf<float, 4>::Type Four;

template <class T> inline Vector<T> load(const T* from) {
  Vector<T> vector;
  std::memcpy(&vector, from, sizeof(vector));
  return vector;
}

// To be used more than once: GCC would read it from memory anew for each use.
template <class T> inline Vector<T> load_to_register(const T* from) {
  Vector<T> vector = load(from);
#if defined(__SSE2__) && !defined(__clang__)
  asm("" : "+x"(vector));
#endif
  return vector;
}

template <class T> inline void store(T* to, Vector<T> vector) {
  std::memcpy(to, &vector, sizeof(vector));
}

// Has the processor fetch what it cannot foresee. GCC takes a function that does nothing else for
// one without effect, and drops it.
#define ALWAYS_INLINE __attribute__((always_inline)) inline
template <class T> ALWAYS_INLINE void fetch(const T* at, int64_t values) {
  constexpr int64_t CACHE_LINE = 64 / sizeof(T);
  for (int64_t i = 0; i < values; i += CACHE_LINE) __builtin_prefetch(at + i);
}

// So many numbers of two vectors; those of the second count on from the first's.
template <int... lanes, class V> inline V pick(V first, V second) {
#ifdef __clang__
  return __builtin_shufflevector(first, second, lanes...);
#else
  typedef std::conditional_t<sizeof(first[0]) == 4, int32_t, int64_t> Index;
  return __builtin_shuffle(first, second,
                           typename VectorOf<Index, sizeof...(lanes)>::Type{lanes...});
#endif
}

// The sums of four vectors, one after the other.
inline void sum_four(const Vector<float>* vectors, float* sums) {
  Vector<float> pair[2];
#ifdef __AVX__
  for (int i = 0; i < 2; ++i) {
    const Vector<float> a = vectors[2 * i], b = vectors[2 * i + 1];
    pair[i] = pick<0, 8, 1, 9, 4, 12, 5, 13>(a, b) + pick<2, 10, 3, 11, 6, 14, 7, 15>(a, b);
  }
  const Vector<float> halves = pick<0, 1, 8, 9, 4, 5, 12, 13>(pair[0], pair[1]) +
                               pick<2, 3, 10, 11, 6, 7, 14, 15>(pair[0], pair[1]);
  Four half[2];
  std::memcpy(half, &halves, sizeof(halves));
  const Four all = half[0] + half[1];
#else
  for (int i = 0; i < 2; ++i) {
    const Vector<float> a = vectors[2 * i], b = vectors[2 * i + 1];
    pair[i] = pick<0, 4, 1, 5>(a, b) + pick<2, 6, 3, 7>(a, b);
  }
  const Four all = pick<0, 1, 4, 5>(pair[0], pair[1]) + pick<2, 3, 6, 7>(pair[0], pair[1]);
#endif
  std::memcpy(sums, &all, sizeof(all));
}

inline void sum_four(const Vector<double>* vectors, double* sums) {
  for (int i = 0; i < 4; ++i) {
    sums[i] = 0;
    for (int64_t lane = 0; lane < LANES<double>; ++lane) sums[i] += vectors[i][lane];
  }
}

}  // namespace mmdyup
