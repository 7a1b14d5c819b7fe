/*
 * library.h - the driver manager (unixODBC), found when it is first needed.
 *
 * The program does not link it: a machine without ODBC runs everything else.  It is
 * looked for as AVROGATE_ODBC says (a path), else as libodbc.so.2.
 *
 * Any thread.
 */
#pragma once

#include "base/err.h"

#include <sql.h>
#include <sqlext.h>

// clang-format off
#define ODBC_CALLS(X) \
    X(SQLAllocHandle) X(SQLBindParameter) X(SQLCancel) X(SQLDescribeCol) \
    X(SQLDisconnect) X(SQLDriverConnect) X(SQLEndTran) X(SQLExecDirect) \
    X(SQLExecute) X(SQLFetch) X(SQLFreeHandle) X(SQLFreeStmt) \
    X(SQLGetConnectAttr) X(SQLGetData) X(SQLGetDiagRec) X(SQLGetInfo) \
    X(SQLMoreResults) X(SQLNumResultCols) X(SQLPrepare) X(SQLRowCount) \
    X(SQLSetConnectAttr) X(SQLSetEnvAttr) X(SQLSetStmtAttr)
// clang-format on

struct odbc_api {
#define ODBC_MEMBER(name) __typeof__(name) *name;
    ODBC_CALLS(ODBC_MEMBER)
#undef ODBC_MEMBER
};

/* ERR_UNAVAILABLE: it is not installed, or cannot be loaded. */
enum err_kind odbc_library(const struct odbc_api **out, struct err *e) MUST_USE;
