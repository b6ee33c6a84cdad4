"""mien/jobs"""
