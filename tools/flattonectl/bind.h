// Command-line text into the fields of a request, by protobuf reflection.
#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "absl/status/status.h"

namespace flattone::ctl {

// Sets `path` ("tenant.name", "roles") in `message` from text. Enums by their short name in any case ("test" for
// MODE_TEST), repeated fields from a comma-separated list, integers and bools as usual. INVALID_ARGUMENT names
// `flag`, the value and what it may be.
absl::Status SetField(google::protobuf::Message& message, std::string_view path, std::string_view flag, const std::string& text);

// One entry of a map<string, bytes>: "name=@file" or "name=-" (standard input), so that a secret is never an
// argument. One trailing line end is dropped.
absl::Status SetSecretEntry(google::protobuf::Message& message, std::string_view path, std::string_view flag, const std::string& text);

// Names the field behind `path` ("tenant.name") in the request's update_mask; does nothing where the request has none, and
// for the id of what is changed.
void NameInMask(google::protobuf::Message& request, std::string_view path);

// "MODE_TEST" → "test": the names that SetField takes and the tables show.
std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value);

}  // namespace flattone::ctl
