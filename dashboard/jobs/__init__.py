"""dashboard/jobs"""
