"""worker/doctor"""
