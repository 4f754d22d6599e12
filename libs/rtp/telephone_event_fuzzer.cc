#include "libs/rtp/telephone_event.h"

#include <array>

#include "libs/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flattone::rtp;
  const auto events = TelephoneEventsView::Parse({data, size});
  if (!events) return 0;
  for (size_t i = 0; i < events->size(); ++i) {
    std::array<uint8_t, kTelephoneEventSize> out;
    WriteTelephoneEvent((*events)[i], out);
    FT_CHECK(out[0] == data[4 * i] && out[2] == data[4 * i + 2] && out[3] == data[4 * i + 3], "an event must read back");
    FT_CHECK(events->onset(i) <= 65535 * i, "onsets are sums of durations");
  }
  return 0;
}
