#include "libs/http/client_call.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "absl/strings/str_cat.h"

namespace flattone::http {
namespace {

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kMaxAddresses = 8;

tcp::endpoint Endpoint(const IpAddress& address, uint16_t port) {
  if (address.v4) {
    asio::ip::address_v4::bytes_type bytes;
    std::copy_n(address.bytes.begin(), 4, bytes.begin());
    return {asio::ip::address_v4(bytes), port};
  }
  asio::ip::address_v6::bytes_type bytes;
  std::copy_n(address.bytes.begin(), 16, bytes.begin());
  return {asio::ip::address_v6(bytes), port};
}

bool HasLineBreak(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos; }

// The request line and headers; INVALID_ARGUMENT when a caller's text would break out of its line.
absl::StatusOr<std::string> FormatHead(const ClientRequest& request) {
  std::string head = absl::StrCat(request.method, " ", request.url.target, " HTTP/1.1\r\nHost: ",
                                  request.url.Authority(), "\r\n");
  if (HasLineBreak(request.method) || HasLineBreak(request.url.target) || HasLineBreak(request.url.host)) {
    return absl::InvalidArgumentError("method or URL holds a line break");
  }
  for (const auto& header : request.headers) {
    if (HasLineBreak(header.first) || HasLineBreak(header.second)) {
      return absl::InvalidArgumentError(absl::StrCat("header ", header.first, " holds a line break"));
    }
    absl::StrAppend(&head, header.first, ": ", header.second, "\r\n");
  }
  const bool has_body = !request.body.empty() || (request.method != "GET" && request.method != "HEAD");
  if (has_body) absl::StrAppend(&head, "Content-Length: ", request.body.size(), "\r\n");
  absl::StrAppend(&head, "Connection: ", request.reuse ? "keep-alive" : "close", "\r\n\r\n");
  return head;
}

}  // namespace

Call::Call(HttpClient::Impl* client, ClientRequest request, std::unique_ptr<ClientConnection> connection,
           std::function<void(ClientResult)> done)
    : client_(client), request_(std::move(request)), done_(std::move(done)),
      strand_(connection != nullptr ? connection->strand : asio::make_strand(client->io)), timer_(strand_),
      connection_(std::move(connection)), reader_(request_.method == "HEAD", request_.max_response_bytes) {}

void Call::Start() {
  client_->CallStarted();
  asio::post(strand_, [self = shared_from_this()] {
    self->started_ = std::chrono::steady_clock::now();
    self->total_end_ = self->started_ + absl::ToChronoNanoseconds(self->request_.deadlines.total);
    self->connect_end_ = self->started_ + absl::ToChronoNanoseconds(self->request_.deadlines.connect);
    self->Resolve();
  });
}

// One timer for all phases: the end of this one, or of the whole call.
void Call::Arm(SteadyTime phase_end, const char* what) {
  waiting_for_ = what;
  timer_.expires_at(std::min(phase_end, total_end_));
  timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (error || self->over_) return;
    const auto now = std::chrono::steady_clock::now();
    if (self->timer_.expiry() > now) return;  // armed again meanwhile
    if (!self->sent_ && self->connection_ != nullptr && now < self->connect_end_ && now < self->total_end_) {
      self->attempt_timed_out_ = true;  // one address of several: the next one may answer
      self->connection_->Close();
      return;
    }
    self->Fail(absl::DeadlineExceededError(absl::StrCat("time-out while ", self->waiting_for_)));
  });
}

void Call::Resolve() {
  if (!client_->ready.ok()) return Fail(client_->ready);
  auto head = FormatHead(request_);
  if (!head.ok()) return Fail(head.status());
  head_ = std::move(*head);
  if (connection_ != nullptr) return WriteHead();
  auto literal = IpAddress::Parse(request_.url.host);
  if (literal.ok()) return Resolved(std::vector<IpAddress>{*literal});
  Arm(connect_end_, "resolving the host name");
  asio::post(client_->helpers, [self = shared_from_this()] {
    if (self->over_) return;  // its time-out came first
    auto addresses = self->client_->options.resolve(self->request_.url.host);
    asio::post(self->strand_, [self, addresses = std::move(addresses)]() mutable {
      if (!self->over_) self->Resolved(std::move(addresses));
    });
  });
}

void Call::Resolved(absl::StatusOr<std::vector<IpAddress>> addresses) {
  if (!addresses.ok()) return Fail(addresses.status());
  absl::Status refused = absl::UnavailableError(absl::StrCat(request_.url.host, " has no address"));
  for (const IpAddress& address : *addresses) {
    absl::Status verdict = request_.policy != nullptr ? request_.policy->Check(address) : absl::OkStatus();
    if (!verdict.ok()) {
      refused = verdict;
    } else if (addresses_.size() < kMaxAddresses) {
      addresses_.push_back(address);
    }
  }
  if (addresses_.empty()) return Fail(refused);
  ConnectNext("");
}

void Call::ConnectNext(std::string last_error) {
  if (next_address_ == addresses_.size()) {
    return Fail(absl::UnavailableError(absl::StrCat("cannot connect to ", request_.url.Authority(), ": ", last_error)));
  }
  const auto now = std::chrono::steady_clock::now();
  const auto left = static_cast<int64_t>(addresses_.size() - next_address_);
  attempt_timed_out_ = false;
  connection_ = std::make_unique<ClientConnection>(strand_);
  if (request_.url.tls) {
    connection_->tls = std::make_unique<asio::ssl::stream<tcp::socket>>(tcp::socket(strand_), client_->tls);
  } else {
    connection_->plain = std::make_unique<tcp::socket>(strand_);
  }
  stage_ = Stage::kConnect;
  const IpAddress& address = addresses_[next_address_++];
  connection_->remote = address.ToString();
  Arm(now + (connect_end_ - now) / left, "connecting");
  ++pending_;
  connection_->socket().async_connect(
      Endpoint(address, request_.url.port), [self = shared_from_this()](ErrorCode error) {
        if (self->EndedMeanwhile()) return;
        if (error) return self->ConnectNext(self->attempt_timed_out_ ? "time-out" : error.message());
        ErrorCode ignored;
        self->connection_->socket().set_option(tcp::no_delay(true), ignored);
        if (self->connection_->tls != nullptr) return self->Handshake();
        self->Connected();
      });
}

void Call::Handshake() {
  stage_ = Stage::kHandshake;
  SSL* ssl = connection_->tls->native_handle();
  const std::string& host = request_.url.host;
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  bool named = true;
  if (IpAddress::Parse(host).ok()) {
    named = X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1;
  } else {
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    named = X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size()) == 1 &&
            SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  }
  if (!named) return Fail(absl::InvalidArgumentError(absl::StrCat("cannot verify the name ", host)));
  connection_->tls->set_verify_mode(asio::ssl::verify_peer);
  Arm(connect_end_, "shaking hands (TLS)");
  ++pending_;
  connection_->tls->async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](ErrorCode error) {
    if (self->EndedMeanwhile()) return;
    if (!error) return self->Connected();
    const long verdict = SSL_get_verify_result(self->connection_->tls->native_handle());
    const std::string why = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) : error.message();
    self->Fail(absl::UnavailableError(absl::StrCat("TLS with ", self->request_.url.Authority(), " failed: ", why)));
  });
}

void Call::Connected() {
  if (!request_.on_connected) return WriteHead();
  Arm(total_end_, "waiting at the gate \"connected\"");
  ++pending_;
  asio::post(client_->helpers, [self = shared_from_this()] {
    self->request_.on_connected();
    asio::post(self->strand_, [self] {
      if (!self->EndedMeanwhile()) self->WriteHead();
    });
  });
}

void Call::WriteHead() {
  sent_ = true;
  stage_ = Stage::kSend;
  Arm(total_end_, "sending the request");
  ++pending_;
  WithStream([this](auto& stream) {
    asio::async_write(stream, asio::buffer(head_), [self = shared_from_this()](ErrorCode error, size_t) {
      if (self->EndedMeanwhile()) return;
      if (error) return self->ReadAnswer();  // the peer may have answered before it closed
      self->WriteBody();
    });
  });
}

void Call::WriteBody() {
  if (request_.body.empty()) return ReadAnswer();
  // A single buffer: a sequence would be flattened into an unwiped array on the stack.
  const asio::const_buffer body(request_.body.data(), request_.body.size());
  ++pending_;
  WithStream([this, body](auto& stream) {
    asio::async_write(stream, body, [self = shared_from_this()](ErrorCode, size_t) {
      if (!self->EndedMeanwhile()) self->ReadAnswer();
    });
  });
}

void Call::ReadAnswer() {
  stage_ = Stage::kAnswer;
  if (chunk_.empty()) {
    chunk_.resize(kReadBytes);
    Arm(std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(request_.deadlines.first_byte),
        "waiting for the answer");
  }
  ++pending_;
  WithStream([this](auto& stream) {
    stream.async_read_some(asio::buffer(chunk_), [self = shared_from_this()](ErrorCode error, size_t count) {
      if (!self->EndedMeanwhile()) self->OnRead(error, count);
    });
  });
}

void Call::OnRead(ErrorCode error, size_t count) {
  if (count > 0) {
    Arm(total_end_, "reading the answer");
    buffered_.append(chunk_.data(), count);
    buffered_.erase(0, reader_.Feed(buffered_));
  }
  if (error == asio::error::eof && reader_.state() != ReadState::kComplete) reader_.FeedEnd();
  switch (reader_.state()) {
    case ReadState::kComplete:
      return Answered();
    case ReadState::kBodyTooLarge:
      return Fail(absl::ResourceExhaustedError(
          absl::StrCat("the answer is over ", request_.max_response_bytes, " bytes")));
    case ReadState::kHeaderTooLarge:
    case ReadState::kMalformed:
      return Fail(absl::UnavailableError("the answer is cut off or is not HTTP"));
    default:
      break;
  }
  if (error) return Fail(absl::UnavailableError(absl::StrCat("connection lost after sending: ", error.message())));
  ReadAnswer();
}

void Call::Answered() {
  ClientResult result;
  result.reach = Reach::kAnswered;
  reader_.Take(&result);
  result.remote_address = connection_->remote;
  if (Poolable(request_) && reader_.keep_alive() && buffered_.empty()) {
    client_->PutIdle(PoolKey(request_.url), std::move(connection_));
  }
  Finish(std::move(result));
}

void Call::Fail(absl::Status status) {
  ClientResult result;
  result.reach = sent_ ? Reach::kUnknown : Reach::kNotSent;
  result.status = std::move(status);
  if (connection_ != nullptr) result.remote_address = connection_->remote;
  Finish(std::move(result));
}

void Call::Finish(ClientResult result) {
  over_ = true;
  timer_.cancel();
  if (connection_ != nullptr) connection_->Close();
  result.elapsed = absl::FromChrono(std::chrono::steady_clock::now() - started_);
  result.stage = stage_;
  result_ = std::move(result);
  if (pending_ == 0) Deliver();
}

// First line of every handler. A write that had finished just before the time-out still touches the body
// once, so the caller hears the result only when no operation is left.
bool Call::EndedMeanwhile() {
  --pending_;
  if (over_ && pending_ == 0) Deliver();
  return over_;
}

void Call::Deliver() {
  std::function<void(ClientResult)> done = std::move(done_);
  done(std::move(result_));
  client_->CallEnded();
}

}  // namespace flattone::http
