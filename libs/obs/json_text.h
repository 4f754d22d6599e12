// How text gets into a log line: escaped, and without anything that looks like a card number.
#pragma once

#include <string>
#include <string_view>

namespace flattone::obs {

// `text` as a JSON string with its quotes. Invalid UTF-8 bytes become U+FFFD.
std::string JsonString(std::string_view text);

// Replaces each run of 13 to 19 digits that passes the Luhn check (single spaces or hyphens between digits
// allowed) by "[number removed]". True when it changed anything.
bool RemoveCardShapedNumbers(std::string& text);

}  // namespace flattone::obs
