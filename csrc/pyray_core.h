/* The C interface of the core: the only header that the binding includes. */
#ifndef PYRAY_CORE_H
#define PYRAY_CORE_H

#include "engine/actor.h"
#include "engine/audit.h"
#include "engine/cancel.h"
#include "engine/channel.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/holders.h"
#include "engine/jobs.h"
#include "engine/labels.h"
#include "engine/mailbox.h"
#include "engine/names.h"
#include "engine/placement.h"
#include "engine/repair.h"
#include "engine/sched.h"
#include "engine/session.h"
#include "engine/stream.h"
#include "engine/submit.h"
#include "engine/task.h"
#include "engine/views.h"
#include "engine/wait.h"
#include "engine/work.h"
#include "engine/workers.h"
#include "shm/heap_copy.h"
#include "shm/latch.h"
#include "store/spill_io.h"
#include "store/store.h"

#endif
