#include "services/session-orchestration/rest/bind.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <boost/json.hpp>
#include <charconv>
#include <limits>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace flattone::session::rest {
namespace {

namespace json = boost::json;
namespace pb = google::protobuf;

constexpr int kMaxDepth = 16;
constexpr size_t kMaxElements = 1000;

std::string Child(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, ".", std::string(name));
}

// A value before it is known which type the field wants.
struct Scalar {
  std::optional<std::string> text;
  std::optional<int64_t> integer;
  std::optional<uint64_t> big;
  std::optional<double> real;
  std::optional<bool> flag;
};

template <typename Integer>
std::optional<Integer> ToInteger(const Scalar& value) {
  if (value.integer.has_value()) {
    if (std::is_unsigned_v<Integer> && *value.integer < 0) return std::nullopt;
    if (*value.integer > 0 && static_cast<uint64_t>(*value.integer) > std::numeric_limits<Integer>::max()) return std::nullopt;
    if (!std::is_unsigned_v<Integer> && *value.integer < static_cast<int64_t>(std::numeric_limits<Integer>::min())) return std::nullopt;
    return static_cast<Integer>(*value.integer);
  }
  if (value.big.has_value() && *value.big <= std::numeric_limits<Integer>::max()) return static_cast<Integer>(*value.big);
  if (value.text.has_value() && !value.text->empty()) {
    Integer out{};
    const char* end = value.text->data() + value.text->size();
    const auto result = std::from_chars(value.text->data(), end, out);
    if (result.ec == std::errc() && result.ptr == end) return out;
  }
  // 1e3 and 5.0 are integers in JSON; beyond 2^53 a double is not exact.
  if (value.real.has_value() && *value.real < 9007199254740992.0 && *value.real > -9007199254740992.0 &&
      *value.real == static_cast<double>(static_cast<int64_t>(*value.real))) {
    return ToInteger<Integer>(Scalar{std::nullopt, static_cast<int64_t>(*value.real), std::nullopt, std::nullopt, std::nullopt});
  }
  return std::nullopt;
}

std::string EnumNames(const pb::EnumDescriptor* type) {
  std::string names = "one of";
  for (int i = 0; i < type->value_count(); ++i) {
    if (type->value(i)->number() != 0) absl::StrAppend(&names, names.size() > 6 ? ", " : " ", type->value(i)->name());
  }
  return names;
}

const pb::EnumValueDescriptor* ToEnum(const pb::EnumDescriptor* type, const Scalar& value) {
  if (value.integer.has_value()) {
    if (*value.integer < 0 || *value.integer > std::numeric_limits<int32_t>::max()) return nullptr;
    return type->FindValueByNumber(static_cast<int>(*value.integer));
  }
  return value.text.has_value() ? type->FindValueByName(*value.text) : nullptr;
}

absl::Status Wrong(const std::string& path, std::string_view limit) { return InvalidField(path, "has the wrong type or value", limit); }

// One scalar into a singular field, or appended to a repeated one.
absl::Status SetScalar(const std::string& path, const pb::FieldDescriptor* field, const Scalar& value, pb::Message* message) {
  const pb::Reflection* reflection = message->GetReflection();
  const bool add = field->is_repeated();
  auto put = [&](auto parsed, auto set, auto append, std::string_view limit) {
    if (!parsed.has_value()) return Wrong(path, limit);
    if (add) {
      (reflection->*append)(message, field, *parsed);
    } else {
      (reflection->*set)(message, field, *parsed);
    }
    return absl::OkStatus();
  };
  using R = pb::Reflection;
  switch (field->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return put(ToInteger<int32_t>(value), &R::SetInt32, &R::AddInt32, "an integer from -2147483648 to 2147483647");
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return put(ToInteger<uint32_t>(value), &R::SetUInt32, &R::AddUInt32, "an integer from 0 to 4294967295");
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return put(ToInteger<int64_t>(value), &R::SetInt64, &R::AddInt64, "a 64-bit integer, as a number or a string of digits");
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return put(ToInteger<uint64_t>(value), &R::SetUInt64, &R::AddUInt64, "a 64-bit integer from 0, as a number or a string of digits");
    case pb::FieldDescriptor::CPPTYPE_DOUBLE: {
      std::optional<double> real = value.real;
      if (!real.has_value() && value.integer.has_value()) real = static_cast<double>(*value.integer);
      return put(real, &R::SetDouble, &R::AddDouble, "a number");
    }
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return put(value.flag, &R::SetBool, &R::AddBool, "true or false");
    case pb::FieldDescriptor::CPPTYPE_ENUM: {
      const pb::EnumValueDescriptor* number = ToEnum(field->enum_type(), value);
      if (number == nullptr) return InvalidField(path, "has an unknown value", EnumNames(field->enum_type()));
      return put(std::optional<const pb::EnumValueDescriptor*>(number), &R::SetEnum, &R::AddEnum, "");
    }
    case pb::FieldDescriptor::CPPTYPE_STRING: {
      if (!value.text.has_value()) return Wrong(path, "a string");
      std::string text = *value.text;
      if (field->type() == pb::FieldDescriptor::TYPE_BYTES) {
        std::string raw;
        if (!absl::Base64Unescape(text, &raw) && !absl::WebSafeBase64Unescape(text, &raw)) return Wrong(path, "base64");
        text = raw;
      }
      if (add) {
        reflection->AddString(message, field, text);
      } else {
        reflection->SetString(message, field, text);
      }
      return absl::OkStatus();
    }
    default:
      return Wrong(path, "of a type that this API has");
  }
}

Scalar ToScalar(const json::value& value) {
  Scalar scalar;
  if (value.is_string()) scalar.text = std::string(value.as_string().data(), value.as_string().size());
  if (value.is_int64()) scalar.integer = value.as_int64();
  if (value.is_uint64()) scalar.big = value.as_uint64();
  if (value.is_double()) scalar.real = value.as_double();
  if (value.is_bool()) scalar.flag = value.as_bool();
  return scalar;
}

absl::Status FillMessage(const std::string& path, const json::value& value, int depth, pb::Message* message);

absl::Status FillMap(const std::string& path, const pb::FieldDescriptor* field, const json::value& value, int depth, pb::Message* message) {
  if (!value.is_object()) return Wrong(path, "an object");
  if (value.as_object().size() > kMaxElements) return InvalidField(path, "has too many entries", "at most 1000 entries");
  for (const auto& entry : value.as_object()) {
    pb::Message* pair = message->GetReflection()->AddMessage(message, field);
    const pb::Descriptor* type = pair->GetDescriptor();
    const std::string key(entry.key().data(), entry.key().size());
    Scalar key_scalar;
    key_scalar.text = key;
    if (absl::Status status = SetScalar(path, type->map_key(), key_scalar, pair); !status.ok()) return status;
    const std::string inner = Child(path, key);
    absl::Status status = type->map_value()->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE
        ? FillMessage(inner, entry.value(), depth + 1, pair->GetReflection()->MutableMessage(pair, type->map_value()))
        : SetScalar(inner, type->map_value(), ToScalar(entry.value()), pair);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FillField(const std::string& path, const pb::FieldDescriptor* field, const json::value& value, int depth, pb::Message* message) {
  if (value.is_null()) return absl::OkStatus();  // as if it were absent
  if (field->is_map()) return FillMap(path, field, value, depth, message);
  const bool is_message = field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE;
  const pb::Reflection* reflection = message->GetReflection();
  if (!field->is_repeated()) {
    if (is_message) return FillMessage(path, value, depth + 1, reflection->MutableMessage(message, field));
    return SetScalar(path, field, ToScalar(value), message);
  }
  if (!value.is_array()) return Wrong(path, "an array");
  if (value.as_array().size() > kMaxElements) return InvalidField(path, "has too many elements", "at most 1000 elements");
  int index = 0;
  for (const json::value& element : value.as_array()) {
    const std::string inner = absl::StrCat(path, "[", index++, "]");
    const absl::Status status = is_message ? FillMessage(inner, element, depth + 1, reflection->AddMessage(message, field))
                                           : SetScalar(inner, field, ToScalar(element), message);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FillMessage(const std::string& path, const json::value& value, int depth, pb::Message* message) {
  if (!value.is_object()) return Wrong(path.empty() ? "body" : path, "a JSON object");
  if (depth > kMaxDepth) return InvalidField(path, "is nested too deep", "at most 16 levels");
  std::set<const pb::FieldDescriptor*> seen;
  for (const auto& member : value.as_object()) {
    const std::string_view name(member.key().data(), member.key().size());
    const std::string inner = Child(path, name);
    const pb::FieldDescriptor* field = FindField(message->GetDescriptor(), name);
    if (field == nullptr) {
      return Refusal(absl::StatusCode::kInvalidArgument,
                     {.code = "unknown_field", .field = inner, .limit = {}, .fix = "leave it out, or see /openapi.json"},
                     absl::StrCat(inner, " is not a field of this request"));
    }
    if (!seen.insert(field).second) return InvalidField(inner, "is there twice", "given once");
    if (absl::Status status = FillField(inner, field, member.value(), depth, message); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

const pb::FieldDescriptor* FindField(const pb::Descriptor* type, std::string_view name) {
  const std::string text(name);
  const pb::FieldDescriptor* field = type->FindFieldByName(text);
  return field != nullptr ? field : type->FindFieldByCamelcaseName(text);
}

absl::Status BindJson(std::string_view text, const std::set<std::string>& bound, pb::Message* message) {
  json::error_code error;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) {
    return Refusal(absl::StatusCode::kInvalidArgument, {.code = "invalid_json", .field = "body", .limit = "one JSON object", .fix = {}},
                   absl::StrCat("the body is not JSON: ", error.message()));
  }
  std::unique_ptr<pb::Message> given(message->New());
  if (absl::Status status = FillMessage("", value, 0, given.get()); !status.ok()) return status;
  for (const std::string& name : bound) {
    const pb::FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || field->cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING) continue;
    const std::string body_value = given->GetReflection()->GetString(*given, field);
    const std::string path_value = message->GetReflection()->GetString(*message, field);
    if (!body_value.empty() && body_value != path_value) {
      return InvalidField(name, "differs from the one in the path", "left out, or the same");
    }
    given->GetReflection()->ClearField(given.get(), field);
  }
  message->MergeFrom(*given);
  return absl::OkStatus();
}

absl::Status BindText(std::string_view name, const std::string& value, pb::Message* message) {
  std::string_view rest = name;
  while (true) {
    const size_t dot = rest.find('.');
    const pb::FieldDescriptor* field = FindField(message->GetDescriptor(), rest.substr(0, dot));
    if (field == nullptr || field->is_map()) {
      return Refusal(absl::StatusCode::kInvalidArgument,
                     {.code = "unknown_field", .field = std::string(name), .limit = {}, .fix = "leave it out, or see /openapi.json"},
                     absl::StrCat(std::string(name), " is not a parameter of this request"));
    }
    const bool is_message = field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE;
    if (dot == std::string_view::npos) {
      if (is_message) return InvalidField(name, "is an object", "one of its fields, such as " + std::string(name) + ".id");
      Scalar scalar;
      scalar.text = value;
      if (value == "true" || value == "false") scalar.flag = value == "true";
      return SetScalar(std::string(name), field, scalar, message);
    }
    if (!is_message || field->is_repeated()) return InvalidField(name, "is not an object", "a parameter of this request");
    message = message->GetReflection()->MutableMessage(message, field);
    rest.remove_prefix(dot + 1);
  }
}

absl::StatusOr<std::string> ToJson(const pb::Message& message) {
  pb::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string out;
  const auto status = pb::util::MessageToJsonString(message, &out, options);
  if (!status.ok()) return absl::InternalError("an answer cannot be written as JSON");
  return out;
}

}  // namespace flattone::session::rest
