# distutils: language = c
"""The compiled half of pyray: translation between Python objects and the C core, no policy.

One extension module out of small files, one subject each:

    state.pxi      the process's one session: context, status -> exception, fork safety
    refs.pxi       ObjectRef: counts itself in and out of the store
    buffers.pxi    views on the heap that keep their object alive
    texts.pxi      arrays of texts as one run of bytes
    pickler.pxi    pickle protocol 5 with out-of-band buffers, through one reused pickler
    codec.pxi      Python value <-> stored value (the wire format), packed arguments
    packed.pxi     lists of numbers of one type, packed
    spill.pxi      what happens when the store is full
    create.pxi     arrays that are made inside of the store
    calls.pxi      put, get, wait, submit
    stream.pxi     streams of results: taken by the caller, published by the worker
    channels.pxi   channels of compiled graphs
    title.pxi      what `ps` shows of a worker
    worker.pxi     the worker's loop and the supervisor's operations
    actors.pxi     actors' names, and calls of actors that run many at a time
    jobs.pxi       drivers that join, and the end of their jobs
    inspect.pxi    statistics, audit
    views.pxi      looking at a session, and what is recorded for that
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.errno cimport EIO, EMFILE, ENFILE
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset, strlen

from core cimport *

import _pickle
import contextvars
import gc
import os
import sys
import threading
from itertools import islice
from types import GeneratorType

from pyray import exceptions

include "state.pxi"
include "refs.pxi"
include "buffers.pxi"
include "texts.pxi"
include "pickler.pxi"
include "codec.pxi"
include "packed.pxi"
include "spill.pxi"
include "waiting.pxi"
include "calls.pxi"
include "unread.pxi"
include "create.pxi"
include "stream.pxi"
include "title.pxi"
include "worker.pxi"
include "help.pxi"
include "actors.pxi"
include "placements.pxi"
include "channels.pxi"
include "jobs.pxi"
include "inspect.pxi"
include "views.pxi"
