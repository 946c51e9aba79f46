"""The few private functions of Ray's that programs have come to use."""
