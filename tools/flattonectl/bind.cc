#include "tools/flattonectl/bind.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <vector>

#include <google/protobuf/field_mask.pb.h>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"

namespace flattone::ctl {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Walks to the message that holds the last field of `path`.
const FieldDescriptor* Find(Message*& message, std::string_view path) {
  const std::vector<std::string> parts = absl::StrSplit(absl::string_view(path.data(), path.size()), '.');
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const auto* field = message->GetDescriptor()->FindFieldByName(parts[i]);
    if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return nullptr;
    message = message->GetReflection()->MutableMessage(message, field);
  }
  return message->GetDescriptor()->FindFieldByName(parts.back());
}

const EnumValueDescriptor* EnumValue(const EnumDescriptor& type, const std::string& text) {
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0 && ShortEnumName(*type.value(i)) == absl::AsciiStrToLower(text)) return type.value(i);
  }
  return nullptr;
}

std::string Choices(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(ShortEnumName(*type.value(i)));
  }
  return absl::StrCat("one of ", absl::StrJoin(names, ", "));
}

absl::Status Wrong(std::string_view flag, const std::string& text, const std::string& limit) {
  return InvalidField(absl::StrCat("--", std::string(flag)), absl::StrCat("is '", text, "'"), limit);
}

template <typename T>
absl::Status SetNumber(Message& message, const FieldDescriptor& field, std::string_view flag, const std::string& text, std::string_view limit,
                       void (google::protobuf::Reflection::*set)(Message*, const FieldDescriptor*, T) const) {
  T value{};
  if (!absl::SimpleAtoi(text, &value)) return Wrong(flag, text, std::string(limit));
  (message.GetReflection()->*set)(&message, &field, value);
  return absl::OkStatus();
}

absl::Status SetOne(Message& message, const FieldDescriptor& field, std::string_view flag, const std::string& text) {
  const auto* reflection = message.GetReflection();
  using R = google::protobuf::Reflection;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.is_repeated()) reflection->AddString(&message, &field, text);
      else reflection->SetString(&message, &field, text);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_INT64: return SetNumber<int64_t>(message, field, flag, text, "an integer", &R::SetInt64);
    case FieldDescriptor::CPPTYPE_UINT32: return SetNumber<uint32_t>(message, field, flag, text, "an integer from 0", &R::SetUInt32);
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool value = false;
      if (!absl::SimpleAtob(text, &value)) return Wrong(flag, text, "true or false");
      reflection->SetBool(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = EnumValue(*field.enum_type(), text);
      if (value == nullptr) return Wrong(flag, text, Choices(*field.enum_type()));
      if (field.is_repeated()) reflection->AddEnum(&message, &field, value);
      else reflection->SetEnum(&message, &field, value);
      return absl::OkStatus();
    }
    default: return Wrong(flag, text, "a field that the command line can set");
  }
}

absl::StatusOr<std::string> ReadSecret(std::string_view flag, const std::string& source) {
  std::string text;
  if (source == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else if (source.size() > 1 && source[0] == '@') {
    std::ifstream file(source.substr(1), std::ios::binary);
    if (!file) return Wrong(flag, source, "a readable file");
    text.assign(std::istreambuf_iterator<char>(file), {});
  } else {
    // Not repeated in the message: it may be the secret itself.
    return InvalidField(absl::StrCat("--", std::string(flag)), "holds a value", "name=@file or name=- (standard input): a secret is never an argument");
  }
  if (absl::EndsWith(text, "\n")) text.pop_back();
  if (absl::EndsWith(text, "\r")) text.pop_back();
  return text;
}

}  // namespace

std::string ShortEnumName(const EnumValueDescriptor& value) {
  // The prefix is the type's name in capitals: ApiKeyRole → API_KEY_ROLE_.
  std::string prefix;
  for (char c : value.type()->name()) {
    if (std::isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  prefix += '_';
  const std::string& name = value.name();
  return absl::AsciiStrToLower(absl::StartsWith(name, prefix) ? name.substr(prefix.size()) : name);
}

absl::Status SetField(Message& root, std::string_view path, std::string_view flag, const std::string& text) {
  Message* message = &root;
  const FieldDescriptor* field = Find(message, path);
  if (field == nullptr) return absl::InternalError(absl::StrCat("no field ", std::string(path), " in ", root.GetTypeName()));
  if (!field->is_repeated()) return SetOne(*message, *field, flag, text);
  for (auto part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    if (auto status = SetOne(*message, *field, flag, std::string(part.data(), part.size())); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void NameInMask(Message& request, std::string_view path) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName("update_mask");
  const size_t dot = path.find('.');
  if (field == nullptr || dot == std::string_view::npos || path.substr(dot + 1) == "id") return;
  auto& mask = static_cast<google::protobuf::FieldMask&>(*request.GetReflection()->MutableMessage(&request, field));
  mask.add_paths(std::string(path.substr(dot + 1)));
}

absl::Status SetSecretEntry(Message& root, std::string_view path, std::string_view flag, const std::string& text) {
  Message* message = &root;
  const FieldDescriptor* field = Find(message, path);
  if (field == nullptr || !field->is_map()) return absl::InternalError(absl::StrCat("no map ", std::string(path), " in ", root.GetTypeName()));
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return InvalidField(absl::StrCat("--", std::string(flag)), "has no name", "name=@file or name=- (standard input)");
  }
  auto secret = ReadSecret(flag, text.substr(equals + 1));
  if (!secret.ok()) return secret.status();
  Message* entry = message->GetReflection()->AddMessage(message, field);
  const auto* type = entry->GetDescriptor();
  entry->GetReflection()->SetString(entry, type->map_key(), text.substr(0, equals));
  entry->GetReflection()->SetString(entry, type->map_value(), *secret);
  return absl::OkStatus();
}

}  // namespace flattone::ctl
