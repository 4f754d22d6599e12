#include "libs/http/message_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/optional.hpp>

namespace flattone::http {
namespace {

namespace beast_http = boost::beast::http;

constexpr size_t kMaxFields = 100;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

template <typename Parser>
size_t FeedParser(Parser& parser, std::string_view bytes, ReadState* state) {
  size_t taken = 0;
  while (taken < bytes.size() && (*state == ReadState::kHeaders || *state == ReadState::kBody)) {
    // At least "0\r\n\r\n" is to come while a chunked body is not over. Beast asserts when it gets the last chunk's
    // header in smaller pieces.
    if (parser.is_header_done() && parser.chunked() && bytes.size() - taken < 5) break;
    boost::beast::error_code error;
    const size_t used = parser.put(boost::asio::buffer(bytes.data() + taken, bytes.size() - taken), error);
    taken += used;
    if (error == beast_http::error::header_limit) {
      *state = ReadState::kHeaderTooLarge;
    } else if (error == beast_http::error::body_limit) {
      *state = ReadState::kBodyTooLarge;
    } else if (error && error != beast_http::error::need_more) {
      *state = ReadState::kMalformed;
    } else if (parser.is_done()) {
      *state = ReadState::kComplete;
    } else if (parser.is_header_done()) {
      *state = ReadState::kBody;
    }
    if (used == 0 || error) break;
  }
  return taken;
}

template <typename Fields>
Headers CopyHeaders(const Fields& fields) {
  Headers headers;
  for (const auto& field : fields) headers.emplace_back(View(field.name_string()), View(field.value()));
  return headers;
}

template <typename Fields>
bool TooMany(const Fields& fields) {
  size_t count = 0;
  for (auto it = fields.begin(); it != fields.end(); ++it) ++count;
  return count > kMaxFields;
}

}  // namespace

struct RequestReader::Impl {
  beast_http::request_parser<beast_http::string_body> parser;
  ReadState state = ReadState::kHeaders;
  bool header_seen = false;
  bool expects_continue = false;
};

RequestReader::RequestReader(size_t max_header_bytes, size_t max_body_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->parser.header_limit(static_cast<uint32_t>(max_header_bytes));
  impl_->parser.body_limit(max_body_bytes);
  impl_->parser.eager(true);
}
RequestReader::~RequestReader() = default;

size_t RequestReader::Feed(std::string_view bytes) {
  const size_t taken = FeedParser(impl_->parser, bytes, &impl_->state);
  if (!impl_->header_seen && impl_->parser.is_header_done()) {
    impl_->header_seen = true;
    const auto& message = impl_->parser.get();
    impl_->expects_continue = SameName(View(message[beast_http::field::expect]), "100-continue");
    if (TooMany(message.base())) impl_->state = ReadState::kHeaderTooLarge;
  }
  return taken;
}

ReadState RequestReader::state() const { return impl_->state; }

bool RequestReader::TakeExpectsContinue() {
  const bool expects = impl_->expects_continue && impl_->state == ReadState::kBody;
  impl_->expects_continue = false;
  return expects;
}

bool RequestReader::keep_alive() const { return impl_->parser.get().keep_alive(); }
bool RequestReader::is_head() const { return impl_->parser.get().method() == beast_http::verb::head; }

bool RequestReader::is_http10() const { return impl_->parser.get().version() < 11; }

Request RequestReader::Take() {
  Request request;
  auto& message = impl_->parser.get();
  request.method = std::string(View(message.method_string()));
  request.target = std::string(View(message.target()));
  request.headers = CopyHeaders(message.base());
  request.body = std::move(message.body());
  return request;
}

struct ResponseReader::Impl {
  boost::optional<beast_http::response_parser<beast_http::string_body>> parser;
  bool to_head = false;
  size_t max_body_bytes = 0;
  ReadState state = ReadState::kHeaders;

  void Reset() {
    parser.emplace();
    parser->body_limit(max_body_bytes);
    parser->header_limit(64 * 1024);
    parser->eager(true);
    parser->skip(to_head);
    state = ReadState::kHeaders;
  }
};

ResponseReader::ResponseReader(bool to_head, size_t max_body_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->to_head = to_head;
  impl_->max_body_bytes = max_body_bytes;
  impl_->Reset();
}
ResponseReader::~ResponseReader() = default;

size_t ResponseReader::Feed(std::string_view bytes) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    taken += FeedParser(*impl_->parser, bytes.substr(taken), &impl_->state);
    if (impl_->state != ReadState::kComplete) break;
    const unsigned status = impl_->parser->get().result_int();
    if (status < 100 || status > 199 || status == 101) break;
    impl_->Reset();  // an interim answer: the real one follows
  }
  return taken;
}

void ResponseReader::FeedEnd() {
  if (impl_->state != ReadState::kHeaders && impl_->state != ReadState::kBody) return;
  // Asked in the middle of the headers, Beast asserts, or calls an answer of no bytes at all complete.
  if (!impl_->parser->is_header_done()) {
    impl_->state = ReadState::kMalformed;
    return;
  }
  boost::beast::error_code error;
  impl_->parser->put_eof(error);
  impl_->state = !error && impl_->parser->is_done() ? ReadState::kComplete : ReadState::kMalformed;
}

ReadState ResponseReader::state() const { return impl_->state; }
bool ResponseReader::keep_alive() const { return impl_->parser->get().keep_alive() && !impl_->parser->need_eof(); }

void ResponseReader::Take(ClientResult* out) {
  auto& message = impl_->parser->get();
  out->code = static_cast<int>(message.result_int());
  out->headers = CopyHeaders(message.base());
  out->body = std::move(message.body());
}

}  // namespace flattone::http
