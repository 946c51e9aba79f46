# C declarations, in the order of pyray_core.h.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "pyray_core.h" nogil:
    ctypedef uint32_t pr_index
    ctypedef unsigned char pr_bool "bool"
    enum: PR_NONE
    enum: PR_INLINE_BYTES
    enum: PR_TASK_INLINE
    enum: PR_NAME_BYTES
    enum: PR_DEMAND_MAX
    enum: PR_RESOURCE_MAX
    enum: PR_RESOURCE_UNIT
    enum: PR_GPU_MAX
    enum: PR_STEP_EDGES
    enum: PR_STEP_RESULTS
    enum: PR_KIND_FAILURE
    enum: PR_FLAG_ERROR
    enum: PR_FLAG_CODE

    enum pr_status:
        PR_OK, PR_PENDING, PR_EMPTY, PR_EXIT, PR_GROW, PR_STALE, PR_STATE, PR_FULL, PR_SPILLED_OUT
        PR_FREED, PR_DISK, PR_TABLE_FULL, PR_NO_MEMORY, PR_TIMEOUT, PR_INTERRUPTED, PR_BAD_SEGMENT
        PR_CORRUPT, PR_OS, PR_LIMIT
    const char *pr_status_text(pr_status status)

    struct pr_ref:
        pr_index index
        uint32_t generation

    struct pr_failpoint_state "struct pr_failpoint_state":
        uint32_t hits
    struct pr_failpoints:
        pr_failpoint_state *point
    enum: PR_FP_COUNT
    const char *pr_failpoint_name(uint32_t point)
    uint32_t pr_failpoints_parse(pr_failpoints *points, const char *specification)

    enum: PR_POOL_TASK
    enum: PR_POOL_OBJECT
    struct pr_pool:
        uint32_t used
        uint32_t high_water
    struct pr_header:
        uint64_t nonce
        uint64_t heap_size
        uint64_t control_size
        uint32_t recoveries
        pr_pool *pools
    struct pr_local:
        uint32_t generation
        uint32_t refs
        uint32_t pins
        uint32_t mark
    struct pr_context:
        const pr_header *header
        const uint8_t *heap
        uint8_t *heap_writable
        pr_local *local
        int control_fd
        int heap_fd
        int doorbell_fd
        int spill_fd
        pr_index slot
        uint32_t process_id
        uint32_t job
        uint32_t call_site
        pr_failpoints *failpoints

    # latches
    uint32_t pr_latch_sequence(const pr_context *ctx, pr_index latch)
    void pr_latch_wake_all(pr_context *ctx)
    pr_status pr_latch_sleep(pr_context *ctx, pr_index latch, uint32_t seen, int64_t timeout_ns)

    # heap
    pr_status pr_heap_write(pr_context *ctx, uint64_t offset, const void *source,
                            uint64_t size_bytes)

    # slots
    enum pr_slot_kind:
        PR_SLOT_DRIVER, PR_SLOT_SUPERVISOR, PR_SLOT_WORKER
    enum: PR_REQUEST_KILL
    enum: PR_SLOT_EMPTY
    enum: PR_POOL_SLOT
    struct pr_slot:
        uint32_t state
        uint32_t kind
        uint32_t process_id
        uint32_t latch
        uint32_t actor
        uint32_t requests
        uint32_t job
        uint32_t environment
        uint64_t tasks_finished
    const pr_slot *pr_slot_at(const pr_context *ctx, pr_index slot)

    # store
    struct pr_value:
        uint32_t kind
        uint32_t flags
        const void *bytes
        uint64_t size_bytes
        const pr_ref *children
        uint32_t child_count
        uint32_t in_block
        uint64_t text
    struct pr_fetched:
        uint32_t kind
        uint32_t flags
        uint64_t size_bytes
        const uint8_t *bytes
        uint8_t *value
    pr_status pr_put_inline(pr_context *ctx, const pr_value *value, pr_ref *ref)
    pr_status pr_put_begin(pr_context *ctx, uint64_t size_bytes, pr_ref *ref, uint64_t *offset)
    pr_status pr_put_end(pr_context *ctx, pr_ref ref, const pr_value *value)
    pr_status pr_put_end_pinned(pr_context *ctx, pr_ref ref, const pr_value *value)
    void pr_put_abort(pr_context *ctx, pr_ref ref)
    pr_status pr_add_children(pr_context *ctx, pr_ref ref, const pr_ref *children, uint32_t count)
    pr_status pr_get(pr_context *ctx, pr_ref ref, uint64_t pin_from_bytes, pr_fetched *fetched,
                     pr_bool *pinned)
    bint pr_get_held(const pr_context *ctx, const pr_fetched *fetched)
    pr_status pr_acquire(pr_context *ctx, const pr_ref *refs, uint32_t count)
    void pr_release(pr_context *ctx, pr_ref ref)
    pr_status pr_free_value(pr_context *ctx, pr_ref ref)
    void pr_unpin(pr_context *ctx, pr_ref ref)
    struct pr_object:
        uint32_t refs
    const pr_object *pr_object_at(const pr_context *ctx, pr_index object)
    void pr_mark_read(pr_context *ctx, pr_ref ref)
    bint pr_is_unread(const pr_context *ctx, pr_ref ref)
    bint pr_is_last_unread(pr_context *ctx, pr_ref ref)
    bint pr_is_referenced(pr_context *ctx, pr_ref ref)
    struct pr_store_stats_t "pr_store_stats":
        uint64_t capacity_bytes
        uint64_t used_bytes
        uint64_t peak_bytes
        uint64_t pinned_bytes
        uint64_t largest_free_bytes
        uint64_t spilling_bytes
        uint64_t spilled_bytes
        uint64_t total_spilled_bytes
        uint64_t total_restored_bytes
        uint32_t objects
        uint32_t edges
        uint32_t spilled_objects
    pr_status pr_store_stats(pr_context *ctx, pr_store_stats_t *stats)

    # spilling
    struct pr_store_root_t "pr_store_root":
        uint32_t dead_files
    const pr_store_root_t *pr_store_root(const pr_context *ctx)
    struct pr_spill_item:
        uint64_t size_bytes
    struct pr_spill:
        uint64_t need_bytes
        pr_spill_item *items
        uint32_t room
        uint32_t count
        uint64_t bytes
        int error
    pr_status pr_spill_choose(pr_context *ctx, pr_spill *spill)
    pr_status pr_spill_write(pr_context *ctx, pr_spill *spill)
    void pr_spill_close(pr_spill *spill)
    pr_status pr_spill_end(pr_context *ctx, const pr_spill *spill)
    pr_status pr_spill_abort(pr_context *ctx, const pr_spill *spill)
    pr_status pr_spill_clean(pr_context *ctx, int *error)
    struct pr_restore:
        pr_ref ref
        uint32_t kind
        uint32_t flags
        uint64_t size_bytes
        uint64_t number
        int error
    pr_status pr_spill_drop_copies(pr_context *ctx)
    pr_status pr_restore_begin(pr_context *ctx, pr_ref ref, pr_restore *restore)
    pr_status pr_restore_locate(pr_context *ctx, pr_ref ref, pr_restore *restore)
    pr_status pr_restore_read(pr_context *ctx, pr_restore *restore, uint8_t *target)
    void pr_restore_close(pr_restore *restore)
    pr_status pr_restore_end(pr_context *ctx, const pr_restore *restore, bint complete)

    # engine
    struct pr_holder:
        uint32_t process_id
        uint32_t kind
        uint32_t has_actor
        uint32_t is_busy
        uint64_t pinned_bytes
        uint64_t claimed_bytes
        char *name
    pr_status pr_holder_of(pr_context *ctx, pr_index slot, pr_holder *holder)
    enum: PR_TASK_CREATES_ACTOR
    enum: PR_TASK_OF_ACTOR
    enum: PR_TASK_KEEPS
    enum: PR_TASK_CAPTURES
    enum: PR_TASK_OUTLIVES
    enum: PR_TASK_CANCELLED
    enum: PR_TASK_STREAMS
    enum pr_cause:
        PR_CAUSE_NONE, PR_CAUSE_WORKER_DIED, PR_CAUSE_ACTOR_DIED, PR_CAUSE_ACTOR_KILLED
        PR_CAUSE_ACTOR_CREATION, PR_CAUSE_ACTOR_EXITED, PR_CAUSE_OWNER_DIED, PR_CAUSE_CANCELLED
        PR_CAUSE_STORE_FULL, PR_CAUSE_ACTOR_UNAVAILABLE, PR_CAUSE_OUT_OF_MEMORY
    struct pr_failure:
        uint16_t cause
        uint16_t wait_status
        uint32_t process_id
        uint32_t ran_ms
        pr_ref actor
        pr_ref detail
        char *name
    bint pr_cause_is_of_actor(uint32_t cause)
    struct pr_demand:
        uint32_t resource
        int64_t amount
    struct pr_class:
        uint32_t count
        uint32_t demand_count
        uint32_t environment
        uint32_t placement
        pr_demand *demand
    const pr_class *pr_class_at(const pr_context *ctx, pr_index shape)
    struct pr_resource:
        char *name
        int64_t total
        int64_t free
    struct pr_crew:
        uint32_t idle_count
        uint32_t spawn_requests
        uint32_t starting
        uint32_t waking
    struct pr_environment:
        uint32_t link
        pr_crew crew
    const pr_environment *pr_environment_at(const pr_context *ctx, pr_index environment)
    struct pr_engine_root_t "pr_engine_root":
        pr_crew crew
        uint32_t environments
        uint32_t worker_count
        uint32_t lent_count
        uint32_t help_from
        uint32_t worker_limit
        uint32_t spawn_requests
        uint32_t ready_count
        uint32_t class_count
        uint32_t resource_count
        uint32_t signal_requests
        uint64_t submitted
        uint64_t finished
        uint64_t failed
        uint64_t retried
        uint64_t deaths
        uint64_t event_head
        uint64_t ended_head
        uint64_t span_head
        uint32_t class_count
        pr_resource *resources
    const pr_engine_root_t *pr_engine_root(const pr_context *ctx)

    struct pr_session_resource:
        char *name
        int64_t amount
    struct pr_session_config:
        uint64_t heap_bytes
        uint32_t cpus
        uint32_t help_from
        uint32_t worker_limit
        uint32_t restart_limit
        uint32_t restart_window_ms
        uint32_t is_head
        uint32_t resource_count
        pr_session_resource *resources
        uint32_t small_tables
    pr_status pr_session_create(pr_context *ctx, const pr_session_config *config)
    pr_status pr_session_attach(pr_context *ctx, int control_fd, int heap_fd, pr_slot_kind kind,
                                uint32_t small)
    void pr_session_detach(pr_context *ctx, bint keep_heap)
    struct pr_joined:
        pr_index slot
        uint32_t job
    struct pr_job_rest:
        uint32_t tasks
        uint32_t actors
        uint32_t workers
        uint32_t outliving
    pr_status pr_driver_reserve(pr_context *ctx, uint32_t process_id, bint observes,
                                pr_joined *joined)
    pr_status pr_driver_attach(pr_context *ctx, int control_fd, int heap_fd, pr_index slot,
                               uint32_t small)
    pr_status pr_job_end(pr_context *ctx, uint32_t job, pr_job_rest *rest)
    enum: PR_BUNDLE_MAX
    enum: PR_PLACEMENT_NAME
    struct pr_share:
        uint32_t resource
        int64_t amount
    struct pr_bundle:
        uint32_t number
        uint32_t share_count
        pr_share *share
    struct pr_placement:
        uint32_t generation
        uint32_t state
        uint32_t strategy
        uint32_t bundle_count
        uint32_t job
        uint32_t is_detached
        char *name
    struct pr_bundle_plan:
        uint32_t demand_count
        pr_demand *demand
    struct pr_placement_plan:
        uint32_t strategy
        uint32_t bundle_count
        pr_bool is_detached
        const pr_bundle_plan *bundles
        char *name
    const pr_placement *pr_placement_at(const pr_context *ctx, pr_index group)
    pr_status pr_placement_new(pr_context *ctx, const pr_placement_plan *plan, pr_ref *group)
    pr_status pr_placement_remove(pr_context *ctx, pr_ref group)
    pr_status pr_placement_read(pr_context *ctx, pr_index group, pr_placement *copy,
                                pr_bundle *bundles, uint32_t room)
    pr_index pr_placement_end(const pr_context *ctx)
    bint pr_placement_kills(pr_context *ctx, pr_index slot)
    pr_status pr_worker_reserve(pr_context *ctx, pr_index *slot)
    pr_status pr_worker_adopt(pr_context *ctx, pr_index slot)
    pr_status pr_worker_request(pr_context *ctx)
    pr_status pr_worker_trim(pr_context *ctx, uint32_t keep)
    pr_status pr_worker_retire(pr_context *ctx)
    pr_status pr_latch_claim(pr_context *ctx, pr_index *latch)
    void pr_latch_unclaim(pr_context *ctx, pr_index latch)
    void pr_session_end(pr_context *ctx)
    bint pr_session_ending(const pr_context *ctx)

    struct pr_class_key:
        const pr_demand *demand
        uint32_t demand_count
        pr_index environment
        pr_index placement
        uint32_t bundle
    pr_status pr_session_class(pr_context *ctx, const pr_class_key *key, pr_index *shape)
    pr_status pr_session_environment(pr_context *ctx, const uint64_t *hash, pr_ref description,
                                     pr_index *environment)
    pr_status pr_environment_description(pr_context *ctx, pr_index environment,
                                         pr_ref *description)
    bint pr_class_feasible(const pr_context *ctx, pr_index shape)
    struct pr_obituary:
        uint32_t wait_status
        pr_cause cause
        pr_bool free_retry
        pr_ref words
    pr_status pr_sweep_with(pr_context *ctx, pr_index slot, const pr_obituary *obituary)
    struct pr_worker_view:
        uint32_t slot
        uint32_t process_id
        uint32_t state
        uint32_t is_actor
        uint32_t is_running
        int32_t retries_left
        uint64_t started_ns
        uint64_t serial
        char *name
    uint64_t pr_running_serial(const pr_context *ctx, pr_index slot)
    pr_status pr_worker_condemn(pr_context *ctx, pr_index slot, uint64_t serial, pr_bool is_actor)
    pr_status pr_workers_view(pr_context *ctx, pr_worker_view *views, uint32_t capacity,
                              uint32_t *count)

    enum: PR_ACTOR_DETACHED
    enum: PR_ACTOR_OUT_OF_ORDER
    enum: PR_GROUP_MAX
    enum: PR_GROUP_SHIFT
    enum: PR_NAME_TEXT
    enum: PR_EXCHANGE_MAX
    struct pr_actor_name:
        const uint8_t *text
        uint32_t space_size
        uint32_t name_size
    struct pr_actor_plan:
        pr_actor_name name
        pr_ref about
        uint32_t flags
        uint32_t groups
        int32_t restarts
        pr_index label
    struct pr_name:
        uint32_t space_size
        uint32_t name_size
        uint8_t *text
    pr_status pr_name_find(pr_context *ctx, const pr_actor_name *name, pr_ref *handle,
                           pr_ref *about)
    pr_status pr_name_next(pr_context *ctx, uint32_t *after, pr_name *copy)

    struct pr_submission:
        pr_ref function
        pr_ref arguments
        const void *value
        uint32_t size_bytes
        const pr_ref *awaited
        uint32_t awaited_count
        const pr_ref *captured
        uint32_t captured_count
        uint32_t result_count
        pr_index shape
        pr_ref placement
        int32_t retries
        uint32_t stream_limit
        pr_ref stream
        uint64_t parent
        uint32_t flags
        pr_ref actor
        const pr_actor_plan *plan
        uint32_t most_calls
        char *name
        pr_index label
        pr_ref *results
        uint64_t serial
    pr_status pr_submit(pr_context *ctx, pr_submission *submission)
    struct pr_taken:
        pr_index task
        uint32_t flags
        uint32_t attempt
        uint32_t result_count
        uint64_t serial
        uint32_t stream_limit
        uint64_t published
        pr_ref function
        pr_ref arguments
        pr_ref result
        pr_ref actor
        int32_t retries_left
        uint64_t gpus
        pr_index shape
        uint32_t size_bytes
        char *name
        uint8_t *value
    pr_status pr_take(pr_context *ctx, pr_taken *taken)
    pr_status pr_take_of(pr_context *ctx, uint32_t groups, pr_taken *taken, pr_bool *more)
    struct pr_ended:
        pr_index task
        uint32_t result_count
        const pr_value *results
    pr_status pr_exchange(pr_context *ctx, const pr_ended *ended, uint32_t ended_count,
                          const uint32_t *free_of, pr_taken *taken, uint32_t room,
                          uint32_t *taken_count)
    pr_status pr_seal_first(pr_context *ctx, pr_index task, const pr_value *results, uint32_t count,
                            uint32_t *sealed)
    pr_status pr_task_retry(pr_context *ctx, pr_index task)
    pr_status pr_task_results(pr_context *ctx, pr_index task, const pr_ref *after, pr_ref *results,
                              uint32_t count)
    pr_status pr_result_begin(pr_context *ctx, pr_ref result, uint64_t size_bytes, uint64_t *offset)
    void pr_result_abort(pr_context *ctx, pr_ref result)
    pr_status pr_finish(pr_context *ctx, pr_index task, const pr_value *results, uint32_t count,
                        pr_taken *next)
    void pr_task_lend(pr_context *ctx, pr_index task)
    void pr_task_reclaim(pr_context *ctx, pr_index task)
    pr_status pr_actor_kill(pr_context *ctx, pr_ref handle, bint no_restart)
    pr_status pr_actor_leave(pr_context *ctx, pr_ref handle)
    pr_status pr_stream_open_item(pr_context *ctx, pr_index task, pr_ref *item)
    pr_status pr_stream_publish(pr_context *ctx, pr_index task, const pr_value *value)
    pr_status pr_stream_room(pr_context *ctx, pr_index task, pr_index latch)
    pr_status pr_stream_next(pr_context *ctx, pr_ref stream, bint take, pr_ref *item)
    void pr_stream_close(pr_context *ctx, pr_ref stream)
    pr_status pr_graph_new(pr_context *ctx, pr_ref *graph, pr_ref *channels, uint32_t count)
    void pr_graph_poison(pr_context *ctx, pr_ref graph, pr_ref handle)
    pr_status pr_graph_close(pr_context *ctx, pr_ref graph, pr_index latch, bint force)
    pr_status pr_graph_failed(pr_context *ctx, pr_ref graph, pr_ref *handle)
    pr_status pr_channel_attach(pr_context *ctx, pr_ref channel)
    void pr_channel_detach(pr_context *ctx, pr_ref channel)
    pr_status pr_channel_receive(pr_context *ctx, pr_ref channel, pr_index latch,
                                 pr_fetched *fetched, pr_ref *object)
    pr_status pr_channel_send(pr_context *ctx, const pr_ref *channels, uint32_t count,
                              const pr_value *value)
    pr_status pr_channel_send_block(pr_context *ctx, const pr_ref *channels, uint32_t count,
                                    pr_ref object, const pr_value *value)
    pr_status pr_channel_forward(pr_context *ctx, const pr_ref *channels, uint32_t count,
                                 pr_ref object)
    pr_status pr_cancel(pr_context *ctx, pr_ref result, bint force, bint recursive)
    pr_status pr_cancel_children(pr_context *ctx, uint64_t serial, uint64_t last, bint force)
    bint pr_cancel_asked(pr_context *ctx, pr_index task)
    pr_index pr_cancel_next(pr_context *ctx)
    bint pr_cancel_take(pr_context *ctx, pr_index task, pr_bool *recursive)
    bint pr_interrupt_take(pr_context *ctx, pr_index slot)
    struct pr_task:
        uint32_t flags
    const pr_task *pr_task_at(const pr_context *ctx, pr_index task)

    struct pr_wait:
        const pr_ref *refs
        uint32_t count
        uint32_t need
        bint stop_at_error
        pr_index latch
        uint8_t *sealed
        uint32_t ready
    pr_status pr_wait_poll(pr_context *ctx, pr_wait *wait)
    pr_status pr_wait_arm(pr_context *ctx, pr_wait *wait, uint32_t *seen)
    void pr_wait_disarm(pr_context *ctx, pr_index latch)

    struct pr_accounts:
        uint32_t objects
        uint32_t tasks
        uint32_t actors
        uint32_t edges
        uint32_t blocks
        uint32_t slots
        uint32_t latches
        uint32_t lanes
        uint32_t files
        uint32_t streams
        uint32_t channels
        uint64_t heap_used_bytes
    pr_status pr_audit(pr_context *ctx, pr_accounts *accounts, const char **what)
