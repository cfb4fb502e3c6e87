// How the work on a map is divided: by groups of channels, and these by blocks.
#pragma once

#include <algorithm>
#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#else
static inline int omp_get_thread_num() { return 0; }
#endif

namespace mmdyup {

// How many columns of a result are transposed together.
constexpr int64_t TILE = 16;

// A map to be upsampled; field by field as in library.py.
struct Map {
  int64_t images, channels, height, width, groups, scale_factor;
  int64_t block;          // of a group's channels, the last one may be smaller
  int64_t channels_last;  // whether the map, the result and their gradients are
  int64_t threads;

  int64_t pixels() const { return height * width; }
  int64_t channels_of_group() const { return channels / groups; }
  int64_t blocks_of_group() const { return (channels_of_group() + block - 1) / block; }
  int64_t blocks() const { return groups * blocks_of_group(); }
  // of the result
  int64_t line() const { return width * scale_factor; }
  int64_t lines() const { return height * scale_factor; }
};

// Some channels of one group.
struct Block {
  int64_t group, number, first, channels;

  Block(const Map& map, int64_t index)
      : group(index / map.blocks_of_group()), number(index % map.blocks_of_group()),
        first(group * map.channels_of_group() + number * map.block),
        channels(std::min(map.block, map.channels_of_group() - number * map.block)) {}
};

// Where the channels of a block begin in a result or its gradient, and how far it is from there to
// the next column of the line, or to the next channel.
template <class T> struct Line {
  T* at;
  int64_t column, channel;

  Line(const Map& map, const Block& block, T* result, int64_t image, int64_t line) {
    const int64_t positions = map.lines() * map.line();
    column = map.channels_last ? map.channels : 1;
    channel = map.channels_last ? 1 : positions;
    at = result + image * map.channels * positions + line * map.line() * column +
         block.first * channel;
  }
};

}  // namespace mmdyup
