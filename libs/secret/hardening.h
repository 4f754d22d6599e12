// What every process of the card zone (relay, masker, vault, adapter) does first thing in main():
//
//   if (auto status = secret::HardenCardZone(); !status.ok()) { ... refuse to start }
//
// - no core dump, no ptrace by others (PR_SET_DUMPABLE 0, RLIMIT_CORE 0). Root can still read
//   /proc/PID/mem, and a leak scan does.
// - every freed block of the heap is overwritten before it goes back: linking this file replaces free() and
//   realloc() of the C library, so gRPC's slices, protobuf's strings, TLS and HTTP buffers and OpenSSL's own
//   memory are covered. mallopt(M_PERTURB) is not enough: glibc 2.36 does not apply it to blocks of up to
//   1 KiB, which wait in the thread cache with their content (measured; secret_test.cc shows it gone).
//   Under a sanitizer, whose allocator must stay, the replacement is left out.
// - OpenSSL frees through a wiping function of ours, in every build.
#pragma once

#include "absl/status/status.h"

namespace flattone::secret {

// Once, before threads, before OpenSSL allocates. FAILED_PRECONDITION names what could not be set.
absl::Status HardenCardZone();

// Whether this build overwrites freed heap blocks (false under a sanitizer).
bool WipesFreedHeap();

}  // namespace flattone::secret
