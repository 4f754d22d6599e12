#include <string_view>

#include "libs/base/check.h"
#include "libs/sdp/description.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flattone::sdp;
  const auto description = Description::Parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!description.ok()) return 0;
  const Local local{.address = "192.0.2.9", .ipv6 = false, .rtp_port = 30000, .rtcp_port = 30001, .rtcp_mux = false};
  const std::string out = description->Rewrite(local);
  if (out.size() > kMaxBytes) return 0;  // line ends grew
  const auto again = Description::Parse(out);
  FT_CHECK(again.ok(), "what leaves must be a description");
  FT_CHECK(again->audio().port == (description->audio().port == 0 ? 0 : 30000), "the port must be the relay's");
  FT_CHECK(again->audio().codecs.size() == description->audio().codecs.size(), "codecs must stay");
  FT_CHECK(out.find("\na=crypto:") == std::string::npos && out.find("\na=candidate:") == std::string::npos,
           "keys and candidates must go");
  return 0;
}
