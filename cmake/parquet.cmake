# libavrogate-parquet.so, where a C++20 compiler and Arrow C++ are.
include(CheckLanguage)
if(NOT CMAKE_CXX_COMPILER)
  unset(CMAKE_CXX_COMPILER CACHE) # not found last time is no reason not to look again
endif()
check_language(CXX)
if(NOT CMAKE_CXX_COMPILER)
  message(STATUS "Parquet: left out, there is no C++ compiler (./deps parquet installs one)")
  return()
endif()
enable_language(CXX)
find_package(ArrowParquet QUIET)
if(NOT ArrowParquet_FOUND)
  message(STATUS "Parquet: left out, there is no Arrow C++ (./deps parquet takes it from the pyarrow wheel; or install libparquet-dev)")
  return()
endif()
message(STATUS "Parquet: Arrow C++ ${ArrowParquet_VERSION} (${ArrowParquet_SOURCE})")

add_library(avrogate-parquet SHARED parquet/shim.cc)
# As the rest is built, but for what C++ or a shared library has not; the fuzz build's sanitizers are clang's, and
# its C++ compiler may be another one.
get_directory_property(compiling COMPILE_OPTIONS)
get_directory_property(linking LINK_OPTIONS)
list(REMOVE_ITEM compiling -Wstrict-prototypes -fPIE)
list(REMOVE_ITEM linking -pie)
if(AVROGATE_FUZZ)
  list(FILTER compiling EXCLUDE REGEX "sanitize")
  list(FILTER linking EXCLUDE REGEX "sanitize")
endif()
set_target_properties(avrogate-parquet PROPERTIES
  CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
  CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
  COMPILE_OPTIONS "${compiling}" LINK_OPTIONS "${linking}")
target_link_libraries(avrogate-parquet PRIVATE ArrowParquet::ArrowParquet)
set_target_properties(avrogate-parquet PROPERTIES INSTALL_RPATH "$ORIGIN")
install(TARGETS avrogate-parquet LIBRARY DESTINATION lib/avrogate) # where format/library.c looks
if(ArrowParquet_SOURCE STREQUAL "wheel")
  install(FILES ${ArrowParquet_LIBRARIES} DESTINATION lib/avrogate)
endif()
add_dependencies(format avrogate-parquet) # whoever is built to write files finds it beside himself
