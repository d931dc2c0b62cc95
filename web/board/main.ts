import { start } from '../shared/start'
import Board from './Board.vue'

start(Board, 'title_board', 'dark')
