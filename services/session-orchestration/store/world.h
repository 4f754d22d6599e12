// For whom: every query names both.
#pragma once

#include <string>

namespace flattone::session {

struct World {
  std::string tenant_id;
  int mode = 0;  // common.v1.Mode
};

}  // namespace flattone::session
