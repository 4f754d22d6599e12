#include "libs/secret/hardening.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

#if defined(FLATTONE_SANITIZE_ADDRESS_UNDEFINED) || defined(FLATTONE_SANITIZE_ADDRESS) || \
    defined(FLATTONE_SANITIZE_THREAD) || !defined(__GLIBC__)
#define FT_REPLACE_FREE 0
#else
#define FT_REPLACE_FREE 1
#endif

#if FT_REPLACE_FREE
extern "C" {
void __libc_free(void* block) noexcept;
void* __libc_malloc(size_t size) noexcept;

// The C library supports replacing these by a program's own (interposition); the blocks stay glibc's.
void free(void* block) noexcept {
  if (block == nullptr) return;
  const int saved = errno;
  explicit_bzero(block, malloc_usable_size(block));
  __libc_free(block);
  errno = saved;
}

void* realloc(void* block, size_t size) noexcept {
  if (block == nullptr) return __libc_malloc(size);
  if (size == 0) {
    free(block);
    return nullptr;
  }
  const size_t usable = malloc_usable_size(block);
  if (size <= usable && size >= usable / 2) {
    explicit_bzero(static_cast<char*>(block) + size, usable - size);
    return block;
  }
  void* moved = __libc_malloc(size);
  if (moved == nullptr) return nullptr;
  memcpy(moved, block, size < usable ? size : usable);
  free(block);
  return moved;
}
}
#endif

namespace flattone::secret {
namespace {

absl::Status Failed(const char* what) {
  return Refusal(absl::StatusCode::kFailedPrecondition, {.code = "hardening_failed"},
                 absl::StrCat("cannot harden the process: ", what, ": ", strerror(errno)));
}

void* SslMalloc(size_t size, const char*, int) { return size == 0 ? nullptr : malloc(size); }
void SslFree(void* block, const char*, int) {
  if (block == nullptr) return;
  explicit_bzero(block, malloc_usable_size(block));
  free(block);
}
void* SslRealloc(void* block, size_t size, const char* file, int line) {
  if (block == nullptr) return SslMalloc(size, file, line);
  if (size == 0) {
    SslFree(block, file, line);
    return nullptr;
  }
  void* moved = malloc(size);
  if (moved == nullptr) return nullptr;
  const size_t usable = malloc_usable_size(block);
  memcpy(moved, block, size < usable ? size : usable);
  SslFree(block, file, line);
  return moved;
}

}  // namespace

bool WipesFreedHeap() { return FT_REPLACE_FREE != 0; }

absl::Status HardenCardZone() {
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return Failed("PR_SET_DUMPABLE");
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) return Failed("RLIMIT_CORE");
  // Refused when OpenSSL has allocated before; the replaced free() covers it then.
  static_cast<void>(CRYPTO_set_mem_functions(SslMalloc, SslRealloc, SslFree));
  if (!WipesFreedHeap()) mallopt(M_PERTURB, 0xA5);  // better than nothing, where the allocator is another's
  return absl::OkStatus();
}

}  // namespace flattone::secret
