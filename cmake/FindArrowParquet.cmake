# FindArrowParquet: Arrow C++ with Parquet, wherever it is.
#   1. as a package: find_package(Parquet), what apt.apache.org, Homebrew, vcpkg and conda install
#   2. in a pyarrow wheel, which carries the same libraries with their headers but no CMake files:
#      -DPYARROW_ROOT=<folder of libarrow.so.*>, else .deps/pyarrow (./deps), else what python3 imports
# Gives ArrowParquet_FOUND, _VERSION, _SOURCE ("package" or "wheel"), _LIBDIR, and the target ArrowParquet::ArrowParquet.
set(PYARROW_ROOT "" CACHE PATH "folder of a pyarrow package, instead of an installed Arrow C++")

if(NOT PYARROW_ROOT)
  find_package(Parquet CONFIG QUIET)
endif()
if(Parquet_FOUND)
  set(ArrowParquet_SOURCE package)
  set(ArrowParquet_VERSION "${Parquet_VERSION}")
  if(TARGET Parquet::parquet_shared)
    set(arrow_targets Parquet::parquet_shared Arrow::arrow_shared)
  else()
    set(arrow_targets Parquet::parquet_static Arrow::arrow_static)
  endif()
else()
  set(wheel "${PYARROW_ROOT}")
  if(NOT wheel AND EXISTS "${PROJECT_SOURCE_DIR}/.deps/pyarrow/pyarrow/include/arrow/api.h")
    set(wheel "${PROJECT_SOURCE_DIR}/.deps/pyarrow/pyarrow")
  endif()
  if(NOT wheel)
    find_package(Python3 COMPONENTS Interpreter QUIET)
    if(Python3_FOUND)
      execute_process(
        COMMAND ${Python3_EXECUTABLE} -c
          "import importlib.util as u, os; s = u.find_spec('pyarrow'); print(os.path.dirname(s.origin) if s else '')"
        OUTPUT_VARIABLE wheel OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
  endif()
  if(wheel AND EXISTS "${wheel}/include/arrow/util/config.h")
    file(STRINGS "${wheel}/include/arrow/util/config.h" line REGEX "define ARROW_VERSION_STRING")
    string(REGEX REPLACE ".*\"([0-9.]+).*" "\\1" ArrowParquet_VERSION "${line}")
    file(GLOB arrow_library "${wheel}/libarrow.so.[0-9]*" "${wheel}/libarrow.[0-9]*.dylib")
    file(GLOB parquet_library "${wheel}/libparquet.so.[0-9]*" "${wheel}/libparquet.[0-9]*.dylib")
    if(arrow_library AND parquet_library)
      list(GET arrow_library 0 arrow_library)
      list(GET parquet_library 0 parquet_library)
      set(arrow_targets ArrowParquet::wheel)
      add_library(ArrowParquet::wheel INTERFACE IMPORTED)
      # not warned about as ours: SYSTEM
      set_target_properties(ArrowParquet::wheel PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${wheel}/include"
        INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${wheel}/include"
        INTERFACE_LINK_LIBRARIES "${parquet_library};${arrow_library}")
      set(ArrowParquet_SOURCE wheel)
      set(ArrowParquet_LIBDIR "${wheel}")
      set(ArrowParquet_LIBRARIES "${arrow_library}" "${parquet_library}")
    endif()
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ArrowParquet REQUIRED_VARS ArrowParquet_SOURCE VERSION_VAR ArrowParquet_VERSION)
if(ArrowParquet_FOUND AND NOT TARGET ArrowParquet::ArrowParquet)
  add_library(ArrowParquet::ArrowParquet INTERFACE IMPORTED)
  set_target_properties(ArrowParquet::ArrowParquet PROPERTIES INTERFACE_LINK_LIBRARIES "${arrow_targets}")
endif()
