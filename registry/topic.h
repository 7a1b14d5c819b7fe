/*
 * topic.h - is `_schemas` there, and fit to hold a registry?
 *
 * Created when absent: 1 partition, cleanup.policy=compact, as many replicas as the
 * cluster allows up to 3.  More than one partition or another policy is refused always,
 * as records would come in another order or be dropped; fewer than 3 replicas, or fewer
 * than 2 that must be in sync, unless --allow-unsafe.  Blocks; once, at start.
 */
#pragma once

#include "kafka/client.h"

struct reg_topic_wish {
    const char *topic;
    bool allow_unsafe;
    bool may_be_untold; // not asked for settings: the mock cannot tell them
    int timeout_ms; // for all of it: brokers that hear of the topic late are waited for
};

/* ERR_CONFLICT: unfit, with what to do about it.  ERR_UNAVAILABLE: nobody answers. */
enum err_kind reg_topic_prepare(struct kf_admin *a, const struct reg_topic_wish *w,
                                struct err *e) MUST_USE;
