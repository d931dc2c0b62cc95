import { start } from '../shared/start'
import Clinic from './Clinic.vue'

start(Clinic, 'title_clinic')
