#include "libs/rpc/test_pki.h"

#include <cstdlib>
#include <filesystem>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "libs/base/check.h"
#include "libs/rpc/identity.h"

namespace flattone::rpc {
namespace {

void Extend(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  FT_CHECK(extension != nullptr, "test certificate extension");
  X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* MakeCertificate(EVP_PKEY* key, const char* name, int serial) {
  X509* cert = X509_new();
  X509_set_version(cert, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
  X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
  X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509_set_pubkey(cert, key);
  return cert;
}

template <typename Write>
void WriteFile(const std::string& path, Write write) {
  BIO* bio = BIO_new_file(path.c_str(), "w");
  FT_CHECK(bio != nullptr && write(bio) == 1, "test certificate file");
  BIO_free(bio);
}

}  // namespace

struct TestPki::Authority {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = MakeCertificate(key, "Flattone test CA", 1);
  Authority() {
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    Extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
    Extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    X509_sign(cert, key, EVP_sha256());
  }
  ~Authority() {
    X509_free(cert);
    EVP_PKEY_free(key);
  }
};

TestPki::TestPki() : authority_(std::make_unique<Authority>()) {
  char path[] = "/tmp/flattone-pki-XXXXXX";
  FT_CHECK(mkdtemp(path) != nullptr, "test certificate directory");
  directory_ = path;
  WriteFile(directory_ + "/ca.pem", [&](BIO* bio) { return PEM_write_bio_X509(bio, authority_->cert); });
}

TestPki::~TestPki() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

TlsFiles TestPki::IssueUri(std::string_view uri) {
  const std::string stem = directory_ + "/" + std::to_string(++issued_);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* cert = MakeCertificate(key, "test", issued_ + 1);
  X509_set_issuer_name(cert, X509_get_subject_name(authority_->cert));
  std::string names = "DNS:localhost,IP:127.0.0.1";
  if (!uri.empty()) names += ",URI:" + std::string(uri);
  Extend(cert, authority_->cert, NID_subject_alt_name, names);
  X509_sign(cert, authority_->key, EVP_sha256());
  WriteFile(stem + ".pem", [&](BIO* bio) { return PEM_write_bio_X509(bio, cert); });
  WriteFile(stem + ".key", [&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(cert);
  EVP_PKEY_free(key);
  return {stem + ".pem", stem + ".key", directory_ + "/ca.pem"};
}

TlsFiles TestPki::Issue(std::string_view identity) { return IssueUri(IdentityUri(identity, kDefaultTrustDomain)); }

}  // namespace flattone::rpc
