# Configures a small tree of libraries and one service with the house's own functions (cmake/FlattoneTargets.cmake), and
# compares with EXPECTATION: PASS, or the words that the refusal must hold. SERVICE depends on DEPS, its main.cc includes INCLUDE.
set(tree ${DIR}/tree)
file(REMOVE_RECURSE ${DIR})

function(_library name deps)
  file(WRITE ${tree}/libs/${name}/${name}.h "#pragma once\n")
  file(WRITE ${tree}/libs/${name}/CMakeLists.txt "flattone_library(${name} HDRS ${name}.h DEPS ${deps})\n")
  file(APPEND ${tree}/CMakeLists.txt "add_subdirectory(libs/${name})\n")
endfunction()

file(WRITE ${tree}/CMakeLists.txt
  "cmake_minimum_required(VERSION 3.25)\nproject(tree LANGUAGES CXX)\ninclude(${ROOT}/cmake/FlattoneTargets.cmake)\n")
_library(base "")
_library(card "base")
_library(sealed_card "base")
_library(purse "base card")  # carries card to whoever uses it
file(WRITE ${tree}/services/other/part.h "#pragma once\n")
file(WRITE ${tree}/services/${SERVICE}/main.cc "#include \"${INCLUDE}\"\nint main() { return 0; }\n")
file(WRITE ${tree}/services/${SERVICE}/CMakeLists.txt "flattone_service(${SERVICE} SRCS main.cc DEPS ${DEPS})\n")
file(APPEND ${tree}/CMakeLists.txt "add_subdirectory(services/${SERVICE})\n")

# That the compiler works was seen when this tree was configured.
execute_process(COMMAND ${CMAKE_COMMAND} -S ${tree} -B ${DIR}/out -G Ninja -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_COMPILER_FORCED=ON
                RESULT_VARIABLE result OUTPUT_QUIET ERROR_VARIABLE output)
string(REGEX REPLACE "[ \n]+" " " output "${output}")  # CMake breaks its lines
if(EXPECTATION STREQUAL "PASS" AND NOT result EQUAL 0)
  message(FATAL_ERROR "is refused, but must not be:\n${output}")
elseif(NOT EXPECTATION STREQUAL "PASS" AND result EQUAL 0)
  message(FATAL_ERROR "is not refused, but must be")
elseif(NOT EXPECTATION STREQUAL "PASS")
  string(FIND "${output}" "${EXPECTATION}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "is refused for another reason:\n${output}")
  endif()
endif()
