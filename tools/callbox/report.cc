#include "tools/callbox/report.h"

#include <boost/json.hpp>
#include <cmath>
#include <iostream>

namespace flattone::call {
namespace {

namespace json = boost::json;

json::string_view View(std::string_view text) { return {text.data(), text.size()}; }
double Tenth(double value) { return std::round(value * 10) / 10; }

json::object Delay(const DelayHistogram& delay) {
  return {{"packets", delay.count()}, {"p50_ms", delay.Quantile(0.5)}, {"p95_ms", delay.Quantile(0.95)},
          {"p99_ms", delay.Quantile(0.99)}, {"max_ms", Tenth(delay.max_ms())}};
}

json::object Heard(const ListenerStats& stats) {
  return {{"packets", stats.packets}, {"lost", stats.lost}, {"duplicates", stats.duplicates},
          {"reordered", stats.reordered}, {"event_packets", stats.event_packets},
          {"other_payload_type", stats.other_payload_type}, {"malformed", stats.malformed},
          {"ssrc_changes", stats.ssrc_changes}, {"jitter_ms", Tenth(stats.jitter_ms)},
          {"longest_gap_ms", Tenth(static_cast<double>(stats.max_gap_ns) / 1e6)}};
}

json::object Rtcp(const RtcpStats& rtcp) {
  return {{"sent", rtcp.sent}, {"received", rtcp.received}, {"sender_reports", rtcp.sender_reports}, {"unreadable", rtcp.unreadable},
          {"worst_count_gap", rtcp.worst_count_gap}, {"worst_sequence_gap", rtcp.worst_sequence_gap},
          {"reported_lost", rtcp.reported_lost}};
}

json::array Spans(const Talker& talker) {
  json::array spans;
  for (const KeySpan& span : talker.pressed()) spans.push_back(json::array{span.at, span.length});
  return spans;
}

}  // namespace

std::string Member(std::string_view name, std::string_view text) {
  return json::serialize(json::object{{View(name), View(text)}});
}

std::string LegJson(const Leg& leg) {
  json::object object{{"sent", leg.packets_sent}, {"send_failures", leg.send_failures},
                      {"rtcp", Rtcp(leg.rtcp)}, {"heard", Heard(leg.heard.stats())},
                      {"added_delay_plain", Delay(leg.delay_plain)}, {"added_delay_secure", Delay(leg.delay_secure)}};
  if (leg.impaired)
    object["network"] = json::object{{"lost", leg.network.lost()}, {"duplicated", leg.network.duplicated()},
                                     {"reordered", leg.network.reordered()}};
  if (leg.talker != nullptr) object["key_spans"] = Spans(*leg.talker);
  return json::serialize(object);
}

void Report::Line(std::string_view type, std::string_view call, const std::string& members) {
  json::object line{{"type", View(type)}, {"call", View(call)}, {"time_ns", WallNanos()}};
  if (!members.empty()) {
    json::error_code error;
    const json::value more = json::parse(members, error);
    if (!error && more.is_object())
      for (const auto& item : more.get_object()) line[item.key()] = item.value();
  }
  const std::string text = json::serialize(line);
  std::lock_guard lock(mutex_);
  std::cout << text << std::endl;
}

void Report::Error(std::string_view call, std::string_view step, std::string_view message) {
  errors_.fetch_add(1);
  Line("error", call, json::serialize(json::object{{"step", View(step)}, {"message", View(message)}}));
}

}  // namespace flattone::call
