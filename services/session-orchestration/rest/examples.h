// One request body per method of the public API, as the document shows it: what a client would send first.
#pragma once

#include <string>

namespace flattone::session::rest {

// JSON text by the method's bare name; empty for a method without one.
std::string ExampleBody(const std::string& method);

}  // namespace flattone::session::rest
