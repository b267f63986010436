"""The eight layers around every call, outermost first, one file each.

error_mapping, request_context, tracing, authentication, identity, rate_limit,
payload_validation, access_log.
"""
