// Incremental parsers of one HTTP/1.1 message (Beast behind them), without sockets: the connection feeds what it
// read, the fuzzer feeds what it likes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "libs/http/client.h"
#include "libs/http/server.h"

namespace flattone::http {

enum class ReadState { kHeaders, kBody, kComplete, kMalformed, kHeaderTooLarge, kBodyTooLarge };

class RequestReader {
 public:
  RequestReader(size_t max_header_bytes, size_t max_body_bytes);
  ~RequestReader();

  // Takes from the front of `bytes`, returns how many. What was not taken is offered again with more behind
  // it. After kComplete (the rest belongs to the next request) or an error it takes nothing.
  size_t Feed(std::string_view bytes);
  ReadState state() const;
  // The peer waits for "100 Continue" before it sends the body; told once.
  bool TakeExpectsContinue();
  // After kComplete: whether the connection may carry another request.
  bool keep_alive() const;
  bool is_head() const;
  bool is_http10() const;
  // Method, target, headers, body; after kComplete.
  Request Take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class ResponseReader {
 public:
  ResponseReader(bool to_head, size_t max_body_bytes);
  ~ResponseReader();

  size_t Feed(std::string_view bytes);
  // The peer closed in an orderly way: completes a body that runs until the end, else malformed.
  void FeedEnd();
  ReadState state() const;
  bool keep_alive() const;
  void Take(ClientResult* out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flattone::http
