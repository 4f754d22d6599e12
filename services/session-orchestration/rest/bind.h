// Text and JSON into request messages, by reflection. Strict: what is unknown, of the wrong type or out of range is an
// INVALID_ARGUMENT that names the field as the client wrote it. Names are taken in snake_case and lowerCamelCase.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace google::protobuf {
class Message;
class FieldDescriptor;
class Descriptor;
}  // namespace google::protobuf

namespace flattone::session::rest {

// Fills `message` from a JSON object (protobuf's JSON mapping). `bound` are top-level fields that the path has
// set: the body may repeat them with the same value only.
absl::Status BindJson(std::string_view json, const std::set<std::string>& bound, google::protobuf::Message* message);

// Sets the scalar behind a dotted path from text: a path variable or a query parameter. A repeated field
// gets one more element. `name` is what errors call it.
absl::Status BindText(std::string_view name, const std::string& value, google::protobuf::Message* message);

// A message as JSON: snake_case names, all fields but absent messages, 64-bit integers as strings.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);

// The field of that name in either spelling, or null.
const google::protobuf::FieldDescriptor* FindField(const google::protobuf::Descriptor* type, std::string_view name);

}  // namespace flattone::session::rest
