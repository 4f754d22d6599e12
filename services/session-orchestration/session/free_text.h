// What people may type into a request, and what they may not: nothing that looks like a card number.
//
// An agent who is in a hurry types the card into a note. Every piece of free text of the API passes here.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace flattone::session {

inline constexpr size_t kMaxMetadataEntries = 20;
inline constexpr size_t kMaxMetadataKey = 40;
inline constexpr size_t kMaxMetadataValue = 200;

// Whether `text` contains 13 to 19 digits that pass the Luhn check, also with spaces, dashes, dots, slashes
// or underscores between them and in full-width or Arabic digits, or a card-like stretch inside a longer run.
bool LooksLikePan(std::string_view text);

// INVALID_ARGUMENT naming `field`: longer than `max` bytes (code invalid_field), not UTF-8 or with control
// characters (invalid_field), or PAN-shaped (code "card_data_refused"; the message never repeats the value).
absl::Status CheckText(std::string_view field, std::string_view text, size_t max);
// The same, and not empty.
absl::Status CheckRequiredText(std::string_view field, std::string_view text, size_t max);

// At most 20 entries; keys of 1 to 40 characters [a-zA-Z0-9_.-], values up to 200 bytes, neither PAN-shaped.
// A number split over several values is looked for too: the values joined in the order of their keys.
absl::Status CheckMetadata(std::string_view field, const std::map<std::string, std::string>& metadata);

}  // namespace flattone::session
