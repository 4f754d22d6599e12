// A judge counts only after it has found the digits in sound that nobody masked.
#pragma once

#include <string>

namespace flattone::judge {

// True when every ear that is installed hears what it must and nothing else; `text` says what was tried.
bool SelfTest(std::string* text);

}  // namespace flattone::judge
