// Big-endian numbers in packets: appended here, loaded by libs/rtp/bytes.h. All else of the wire formats is written
// anew in this folder, so that it can judge the product's own.
#pragma once

#include <cstdint>
#include <vector>

#include "libs/rtp/bytes.h"

namespace flattone::call {

using rtp::Load16;
using rtp::Load32;

// Appends the lowest `bytes` bytes of value, the highest first.
inline void Append(std::vector<uint8_t>& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<uint8_t>(value >> 8 * i));
}

}  // namespace flattone::call
