"""The live worker: the way of a frame through it, a module a step.

    1  membership          which cameras are this worker's own
    2  collect             which frames are analysed and when a batch closes; `pace` knows what a frame takes
    3  analyse             the batch goes through steps 4 to 6; `frame_work` is what is done with one frame of it
    4  detection_schedule  when faces are detected in the whole frame, and not only near where they were
    5  memory              which face is which, and where it is expected next
    6  classification      which faces are classified; `due` says after how long, `round_robin` spreads it over frames
    7  publish             the view is drawn, the result goes onto the bus; `budget` knows where the time went

`start` opens everything, `live` is the loop, and a camera's `desk` holds all that is known of it.
"""
