# The public C library: what is built from the rooms, what is installed of it, and under which names.
#
#   libavrogate-registry       the client, serializers and deserializers
#   libavrogate-registry-avro  the same for avro_value_t; the only one that needs libavro
#   libavrogate-registry-fake  a registry that misbehaves on request, for its users' tests
#
# cmake --install BUILD --component registry-client installs these and nothing else.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The .pc files say where they are from where they stand: the whole may be moved, and --prefix may say another place.
file(RELATIVE_PATH pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
set(client_headers avrogate/registry.h avrogate/serde.h)
file(GLOB client_sources CONFIGURE_DEPENDS avrogate/*.c)
list(FILTER client_sources EXCLUDE REGEX "(_test|_fuzz|avro_value)\\.c$")

# The version is written where its users read it: the header.
file(READ avrogate/registry.h header)
foreach(part MAJOR MINOR PATCH)
  string(REGEX MATCH "AVROGATE_REGISTRY_${part} ([0-9]+)" found "${header}")
  list(APPEND version ${CMAKE_MATCH_1})
endforeach()
list(JOIN version "." client_version)
list(GET version 0 client_soversion)

# public_library(<name> <sources> <rooms> <libraries>): lib<name>.so and lib<name>.a, which export what its header says
# and nothing else.  The archive is one object, its other symbols made local: a user may have a json_read() of his own.
function(public_library name sources rooms libraries)
  add_library(${name} SHARED ${sources})
  target_link_libraries(${name} PRIVATE ${rooms} ${libraries})
  set_target_properties(${name} PROPERTIES C_VISIBILITY_PRESET hidden
                        VERSION ${client_version} SOVERSION ${client_soversion})
  # What the rooms' other files need (compression, libavro, ...) is on the line too; only what is used is recorded.
  target_link_options(${name} PRIVATE LINKER:--as-needed LINKER:--exclude-libs,ALL)
  if(NOT AVROGATE_ASAN AND NOT AVROGATE_TSAN AND NOT AVROGATE_FUZZ)
    target_link_options(${name} PRIVATE LINKER:-z,defs)
  endif()

  add_library(${name}-objects OBJECT ${sources})
  target_link_libraries(${name}-objects PRIVATE ${rooms} ${libraries})
  set_target_properties(${name}-objects PROPERTIES C_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON)
  set(archives)
  foreach(room ${rooms})
    if(NOT room STREQUAL avrogate-registry)
      list(APPEND archives $<TARGET_FILE:${room}>)
    endif()
  endforeach()
  set(archive ${CMAKE_BINARY_DIR}/lib${name}.a)
  add_custom_command(OUTPUT ${archive}
    COMMAND ${CMAKE_LINKER} -r -o ${name}.o $<TARGET_OBJECTS:${name}-objects> --start-group ${archives} --end-group
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${name}.o
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_AR} qcs ${archive} ${name}.o
    DEPENDS ${name}-objects $<TARGET_OBJECTS:${name}-objects> ${rooms} COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_target(${name}-static ALL DEPENDS ${archive})
  if(NOT AVROGATE_FUZZ AND NOT AVROGATE_COVERAGE)
    install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT registry-client)
  endif()
  install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT registry-client
          NAMELINK_COMPONENT registry-client)
  configure_file(avrogate/${name}.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT registry-client)
endfunction()

public_library(avrogate-registry "${client_sources}" "registry-client;wire;http;avro-core;base" "Threads::Threads")
public_library(avrogate-registry-fake "registry-fake/registry_fake.c;registry-fake/table.c" "wire;http;avro-core;base"
               "Threads::Threads")
if(avro-c_FOUND)
  public_library(avrogate-registry-avro avrogate/avro_value.c avrogate-registry PkgConfig::avro-c)
  list(APPEND client_headers avrogate/avro_value.h)
endif()

# The tests see the inside: they are built from the same sources, once.
add_library(avrogate-inside STATIC ${client_sources})
target_link_libraries(avrogate-inside PUBLIC registry-client registry-fake wire http avro-core base)
file(GLOB client_tests CONFIGURE_DEPENDS avrogate/*_test.c)
if(AVROGATE_FUZZ)
  set(client_tests)
endif()
if(avro-c_FOUND)
  target_sources(avrogate-inside PRIVATE avrogate/avro_value.c)
  target_link_libraries(avrogate-inside PUBLIC PkgConfig::avro-c)
else()
  list(FILTER client_tests EXCLUDE REGEX avro_value_test)
endif()
foreach(test ${client_tests})
  get_filename_component(name ${test} NAME_WE)
  add_executable(avrogate-${name} ${test})
  target_link_libraries(avrogate-${name} PRIVATE avrogate-inside)
  add_test(NAME avrogate/${name} COMMAND avrogate-${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(AVROGATE_TSAN)
    set_tests_properties(avrogate/${name} PROPERTIES ENVIRONMENT
                         TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp)
  endif()
endforeach()

install(FILES ${client_headers} registry-fake/registry_fake.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/avrogate COMPONENT registry-client)
configure_package_config_file(avrogate/avrogate-registry-config.cmake.in
  ${CMAKE_BINARY_DIR}/avrogate-registry-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/avrogate-registry
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/avrogate-registry-config-version.cmake
  VERSION ${client_version} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/avrogate-registry-config.cmake
              ${CMAKE_BINARY_DIR}/avrogate-registry-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/avrogate-registry COMPONENT registry-client)

# Man pages; each function's name finds the page it stands in.
file(GLOB pages CONFIGURE_DEPENDS docs/man/*.3)
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT registry-client)
install(FILES docs/man/avrogate-registry.7 DESTINATION ${CMAKE_INSTALL_MANDIR}/man7 COMPONENT registry-client)
foreach(page ${pages})
  get_filename_component(page_name ${page} NAME)
  file(STRINGS ${page} functions REGEX "^\\.Fo ")
  foreach(function ${functions})
    string(REPLACE ".Fo " "" function "${function}")
    file(WRITE ${CMAKE_BINARY_DIR}/man3/${function}.3 ".so man3/${page_name}\n")
    install(FILES ${CMAKE_BINARY_DIR}/man3/${function}.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT registry-client)
  endforeach()
endforeach()
install(FILES avrogate/examples/producer.c avrogate/examples/consumer.c avrogate/examples/CMakeLists.txt
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT registry-client)

if(NOT AVROGATE_FUZZ AND NOT AVROGATE_ASAN AND NOT AVROGATE_TSAN AND NOT AVROGATE_COVERAGE)
  add_test(NAME avrogate/exports COMMAND tests/exports.sh ${CMAKE_BINARY_DIR} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endif()
