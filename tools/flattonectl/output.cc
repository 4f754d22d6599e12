#include "tools/flattonectl/output.h"

#include <algorithm>
#include <vector>

#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "tools/flattonectl/bind.h"

namespace flattone::ctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// One value; index -1 for a field that is not repeated.
std::string ValueOf(const Message& m, const FieldDescriptor& f, int index) {
  const auto* r = m.GetReflection();
  const bool many = index >= 0;
  switch (f.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: return many ? r->GetRepeatedString(m, &f, index) : r->GetString(m, &f);
    case FieldDescriptor::CPPTYPE_BOOL: return (many ? r->GetRepeatedBool(m, &f, index) : r->GetBool(m, &f)) ? "yes" : "no";
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = many ? r->GetRepeatedEnum(m, &f, index) : r->GetEnum(m, &f);
      return value->number() == 0 ? "" : ShortEnumName(*value);
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const int64_t value = many ? r->GetRepeatedInt64(m, &f, index) : r->GetInt64(m, &f);
      if (f.name().size() > 3 && f.name().substr(f.name().size() - 3) == "_ms") {
        return value == 0 ? "" : absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixMillis(value), absl::UTCTimeZone());
      }
      return std::to_string(value);
    }
    case FieldDescriptor::CPPTYPE_UINT32: return std::to_string(many ? r->GetRepeatedUInt32(m, &f, index) : r->GetUInt32(m, &f));
    case FieldDescriptor::CPPTYPE_UINT64: return std::to_string(many ? r->GetRepeatedUInt64(m, &f, index) : r->GetUInt64(m, &f));
    default: return "…";
  }
}

std::string CellOf(const Message& row, const std::string& path) {
  const Message* message = &row;
  const std::vector<std::string> parts = absl::StrSplit(path, '.');
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    message = &message->GetReflection()->GetMessage(*message, message->GetDescriptor()->FindFieldByName(parts[i]));
  }
  const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(parts.back());
  if (field == nullptr) return "?";
  if (!field->is_repeated()) return ValueOf(*message, *field, -1);
  std::vector<std::string> values;
  for (int i = 0; i < message->GetReflection()->FieldSize(*message, field); ++i) values.push_back(ValueOf(*message, *field, i));
  return absl::StrJoin(values, ",");
}

std::vector<const Message*> RowsOf(const Message& answer, const std::string& rows) {
  if (rows.empty()) return {&answer};
  const auto* field = answer.GetDescriptor()->FindFieldByName(rows);
  std::vector<const Message*> out;
  for (int i = 0; i < answer.GetReflection()->FieldSize(answer, field); ++i) {
    out.push_back(&answer.GetReflection()->GetRepeatedMessage(answer, field, i));
  }
  return out;
}

size_t Width(const std::string& text) {  // characters, not bytes
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::string Layout(const std::vector<std::vector<std::string>>& lines) {
  std::vector<size_t> widths(lines[0].size(), 0);
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Width(line[i]));
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) absl::StrAppend(&text, line[i], std::string(widths[i] - Width(line[i]) + 2, ' '));
    text.erase(text.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, text, "\n");
  }
  return out;
}

}  // namespace

std::string AsJson(const Message& answer) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(answer, &json, options);
  return status.ok() ? json + (json.empty() || json.back() != '\n' ? "\n" : "") : "{}\n";
}

std::string AsTable(const Message& answer, const Command& command) {
  if (command.columns.empty()) return "done\n";
  std::vector<std::vector<std::string>> lines;
  auto& header = lines.emplace_back();
  for (const auto& column : command.columns) header.push_back(column.substr(column.rfind('.') + 1));
  for (const Message* row : RowsOf(answer, command.rows)) {
    auto& line = lines.emplace_back();
    for (const auto& column : command.columns) line.push_back(CellOf(*row, column));
  }
  std::string out = Layout(lines);
  if (const auto* next = answer.GetDescriptor()->FindFieldByName("next_page_token")) {
    const std::string token = answer.GetReflection()->GetString(answer, next);
    if (!token.empty()) absl::StrAppend(&out, "more: --page-token ", token, "\n");
  }
  return out;
}

}  // namespace flattone::ctl
