// Header fields of a request or an answer: few, so a plain list; names compare without case.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flattone::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

// The first value under that name, or nullopt. The view lives as long as the list.
std::optional<std::string_view> FindHeader(const Headers& headers, std::string_view name);

// True when two header names are the same (ASCII, without case).
bool SameName(std::string_view a, std::string_view b);

// One cookie's value out of the Cookie header, or nullopt.
std::optional<std::string_view> FindCookie(const Headers& headers, std::string_view name);

// The reason phrase of a status code, "Unknown" when it has none.
std::string_view ReasonPhrase(int status);

}  // namespace flattone::http
