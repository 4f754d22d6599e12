#include "libs/rtp/redundancy.h"

#include <algorithm>
#include <vector>

#include "libs/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flattone::rtp;
  const auto view = RedundancyView::Parse({data, size});
  if (!view) return 0;
  const auto blocks = view->blocks();
  std::vector<uint8_t> out(size);
  const size_t written = WriteRedundancy(blocks.first(blocks.size() - 1), view->primary(), out);
  FT_CHECK(written == size && std::equal(out.begin(), out.end(), data), "wrapping again must give the same bytes");
  return 0;
}
