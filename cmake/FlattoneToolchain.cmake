# Language level, warnings, sanitizers, compiler cache.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug or Release" FORCE)
endif()

# Line tables only: enough for a stack trace, a tenth of the size and link time of full debug info.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")

add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
                    -fno-omit-frame-pointer -fstack-protector-strong)
option(FLATTONE_WERROR "Warnings are errors" ON)
if(FLATTONE_WERROR)
  add_compile_options(-Werror)
endif()
# GCC 12 at -O2 and above reports these wrongly inside Boost, Abseil and protobuf headers.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-restrict
                      -Wno-stringop-overread -Wno-dangling-reference)
endif()

set(FLATTONE_SANITIZE "" CACHE STRING "Comma-separated sanitizers: address,undefined or thread")
option(FLATTONE_FUZZERS "Build the libFuzzer targets (clang)" OFF)
if(FLATTONE_SANITIZE)
  add_compile_options(-fsanitize=${FLATTONE_SANITIZE} -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${FLATTONE_SANITIZE})
  string(REPLACE "," "_" _san "${FLATTONE_SANITIZE}")
  string(TOUPPER "${_san}" _san)
  add_compile_definitions(FLATTONE_SANITIZE_${_san})
endif()
if(FLATTONE_FUZZERS)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# Code that crosses gRPC is left out of the thread-sanitizer tree: Debian's libgrpc is not
# instrumented, and one echo test gives hundreds of reports that are not ours.
if(FLATTONE_SANITIZE STREQUAL "thread")
  set(FLATTONE_WITHOUT_GRPC ON)
else()
  set(FLATTONE_WITHOUT_GRPC OFF)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(LLD NAMES ld.lld-14 ld.lld)
if(LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=lld)
endif()
add_link_options(-Wl,--as-needed)
