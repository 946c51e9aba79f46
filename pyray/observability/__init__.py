"""A session looked at, from inside or outside: records, tables, traces, stacks."""
