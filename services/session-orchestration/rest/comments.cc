#include "services/session-orchestration/rest/comments.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <map>

// protoc's descriptor set with source information (CMakeLists.txt makes it), linked in as it is.
asm(".section .rodata\n"
    ".global flattone_session_descriptors\n"
    "flattone_session_descriptors:\n"
    ".incbin \"" FLATTONE_DESCRIPTOR_SET "\"\n"
    ".global flattone_session_descriptors_end\n"
    "flattone_session_descriptors_end:\n"
    ".byte 0\n"
    ".previous\n");
extern "C" const char flattone_session_descriptors[];
extern "C" const char flattone_session_descriptors_end[];

namespace flattone::session::rest {
namespace {

namespace pb = google::protobuf;

// Line breaks of the source become blanks; an empty line stays a paragraph.
std::string Unwrap(const std::string& comment) {
  std::string out;
  bool line_start = true;
  for (size_t i = 0; i < comment.size(); ++i) {
    const char c = comment[i];
    if (c == '\n') {
      const bool paragraph = i + 1 < comment.size() && (comment[i + 1] == '\n' || comment.compare(i + 1, 2, " |") == 0);
      if (!out.empty() && i + 1 < comment.size()) out += paragraph ? "\n" : " ";
      line_start = true;
    } else if (!(line_start && c == ' ')) {
      out.push_back(c);
      line_start = false;
    }
  }
  while (!out.empty() && (out.back() == ' ' || out.back() == '\n')) out.pop_back();
  return out;
}

template <typename Descriptor>
void Remember(const Descriptor* descriptor, std::map<std::string, std::string>* out) {
  pb::SourceLocation location;
  if (!descriptor->GetSourceLocation(&location)) return;
  const std::string& text = location.leading_comments.empty() ? location.trailing_comments : location.leading_comments;
  if (!text.empty()) (*out)[descriptor->full_name()] = Unwrap(text);
}

void RememberMessage(const pb::Descriptor* message, std::map<std::string, std::string>* out) {
  Remember(message, out);
  for (int i = 0; i < message->field_count(); ++i) Remember(message->field(i), out);
  for (int i = 0; i < message->nested_type_count(); ++i) RememberMessage(message->nested_type(i), out);
}

std::map<std::string, std::string> ReadComments() {
  std::map<std::string, std::string> out;
  pb::FileDescriptorSet set;
  if (!set.ParseFromArray(flattone_session_descriptors,
                          static_cast<int>(flattone_session_descriptors_end - flattone_session_descriptors))) {
    return out;
  }
  pb::DescriptorPool pool;
  for (const auto& file : set.file()) {
    const pb::FileDescriptor* built = pool.BuildFile(file);
    if (built == nullptr) continue;
    for (int i = 0; i < built->message_type_count(); ++i) RememberMessage(built->message_type(i), &out);
    for (int i = 0; i < built->enum_type_count(); ++i) {
      Remember(built->enum_type(i), &out);
      for (int v = 0; v < built->enum_type(i)->value_count(); ++v) Remember(built->enum_type(i)->value(v), &out);
    }
    for (int i = 0; i < built->service_count(); ++i) {
      Remember(built->service(i), &out);
      for (int m = 0; m < built->service(i)->method_count(); ++m) Remember(built->service(i)->method(m), &out);
    }
  }
  return out;
}

}  // namespace

std::string CommentOf(const std::string& full_name) {
  static const auto* comments = new std::map<std::string, std::string>(ReadComments());
  auto found = comments->find(full_name);
  return found == comments->end() ? "" : found->second;
}

}  // namespace flattone::session::rest
