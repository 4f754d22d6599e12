#include "libs/obs/trace.h"

#include <algorithm>
#include <span>

namespace flattone::obs {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void AppendHex(std::string& out, std::span<const uint8_t> bytes) {
  for (uint8_t b : bytes) {
    out += kHex[b >> 4];
    out += kHex[b & 15];
  }
}

int Nibble(char c) {  // the specification allows lower case only
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool FromHex(std::string_view hex, std::span<uint8_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = Nibble(hex[2 * i]), low = Nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}

bool AllZero(std::span<const uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
}

}  // namespace

TraceContext TraceContext::New(Random& random) {
  TraceContext trace;
  random.Fill(trace.trace_);
  random.Fill(trace.span_);
  trace.trace_[0] |= 1;  // never all zero
  trace.span_[0] |= 1;
  trace.flags_ = 1;
  return trace;
}

std::optional<TraceContext> TraceContext::Parse(std::string_view text) {
  // version 00: exactly 55 characters; a later version may add "-..." behind them.
  if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  uint8_t version = 0;
  if (!FromHex(text.substr(0, 2), std::span(&version, 1)) || version == 0xff) return std::nullopt;
  if (version == 0 ? text.size() != 55 : (text.size() > 55 && text[55] != '-')) return std::nullopt;
  TraceContext trace;
  if (!FromHex(text.substr(3, 32), trace.trace_) || !FromHex(text.substr(36, 16), trace.span_) ||
      !FromHex(text.substr(53, 2), std::span(&trace.flags_, 1))) {
    return std::nullopt;
  }
  if (AllZero(trace.trace_) || AllZero(trace.span_)) return std::nullopt;
  return trace;
}

TraceContext TraceContext::Child(Random& random) const {
  if (empty()) return *this;
  TraceContext child = *this;
  random.Fill(child.span_);
  child.span_[0] |= 1;
  return child;
}

bool TraceContext::empty() const { return AllZero(trace_); }

std::string TraceContext::TraceId() const {
  std::string out;
  if (!empty()) AppendHex(out, trace_);
  return out;
}

std::string TraceContext::Traceparent() const {
  if (empty()) return {};
  std::string out = "00-";
  AppendHex(out, trace_);
  out += '-';
  AppendHex(out, span_);
  out += '-';
  AppendHex(out, std::span(&flags_, 1));
  return out;
}

}  // namespace flattone::obs
