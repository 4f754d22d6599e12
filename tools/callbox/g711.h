// ITU-T G.711, written apart from the fleet's own: this tool is used to judge the fleet.
#pragma once

#include <cstdint>

namespace flattone::call {

enum class Codec : uint8_t { kPcmu = 0, kPcma = 8 };  // values are the static RTP payload types (RFC 3551)

uint8_t Encode(Codec codec, int16_t sample);
int16_t Decode(Codec codec, uint8_t code);

}  // namespace flattone::call
