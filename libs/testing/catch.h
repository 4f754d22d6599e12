// The one place that includes Catch2, whose header moved between version 2 (Debian 12) and 3.
#pragma once

#if __has_include(<catch2/catch.hpp>)
#include <catch2/catch.hpp>
#else
#include <catch2/catch_all.hpp>
#endif
